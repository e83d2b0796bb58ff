//! RESP2 and RESP3 replies as values. A parser for tests: complete, not fast, not bounded.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};

/// One reply.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// `+`
    Simple(String),
    /// `-` and `!`
    Error(String),
    /// `:`
    Int(i64),
    /// `$`, and `=` without its format
    Bulk(Vec<u8>),
    /// `*`, and `~`
    Array(Vec<Self>),
    /// `%`
    Map(Vec<(Self, Self)>),
    /// `>`
    Push(Vec<Self>),
    /// `#`
    Bool(bool),
    /// `,` and `(` as they stand
    Number(String),
    /// `_`, `$-1` and `*-1`
    Null,
}

impl Value {
    /// Reads one value from the front of `bytes`: it and its length, or none while incomplete.
    pub(crate) fn parse(bytes: &[u8]) -> io::Result<Option<(Self, usize)>> {
        let mut cursor = Cursor { bytes, at: 0 };
        match cursor.value() {
            Ok(value) => Ok(Some((value, cursor.at))),
            Err(Stop::Incomplete) => Ok(None),
            Err(Stop::Invalid) => {
                let head = String::from_utf8_lossy(bytes.get(..40).unwrap_or(bytes)).into_owned();
                Err(io::Error::new(ErrorKind::InvalidData, head))
            }
        }
    }

    /// A bulk or simple string, or a number, as text; empty for anything else.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Simple(text) | Self::Error(text) | Self::Number(text) => text.clone(),
            Self::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Int(n) => n.to_string(),
            _ => String::new(),
        }
    }

    /// The elements of an array or push; empty for anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::Array(items) | Self::Push(items) => items,
            _ => &[],
        }
    }

    /// The text of element `index`; empty when there is none.
    pub(crate) fn at(&self, index: usize) -> String {
        self.items().get(index).map(Self::text).unwrap_or_default()
    }

    /// A flat field-value array, or a map, by field name.
    pub(crate) fn fields(&self) -> BTreeMap<String, String> {
        match self {
            Self::Map(pairs) => pairs.iter().map(|(k, v)| (k.text(), v.text())).collect(),
            _ => self
                .items()
                .chunks_exact(2)
                .map(|pair| (pair[0].text(), pair[1].text()))
                .collect(),
        }
    }

    /// Whether it is an error that begins with `text`.
    pub(crate) fn is_error(&self, text: &str) -> bool {
        self.error().is_some_and(|error| error.starts_with(text))
    }

    /// The text of an error; none for any other reply.
    pub(crate) fn error(&self) -> Option<&str> {
        match self {
            Self::Error(text) => Some(text),
            _ => None,
        }
    }

    /// Whether this is `+OK`.
    pub(crate) fn is_ok(&self) -> bool {
        *self == Self::Simple("OK".into())
    }
}

enum Stop {
    Incomplete,
    Invalid,
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn line(&mut self) -> Result<String, Stop> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = rest
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .ok_or(Stop::Incomplete)?;
        let line = String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned();
        self.at += end + 2;
        Ok(line)
    }

    fn value(&mut self) -> Result<Value, Stop> {
        let kind = *self.bytes.get(self.at).ok_or(Stop::Incomplete)?;
        self.at += 1;
        match kind {
            b'+' => self.line().map(Value::Simple),
            b'-' => self.line().map(Value::Error),
            b':' => self.number().map(Value::Int),
            b',' | b'(' => self.line().map(Value::Number),
            b'#' => self.line().map(|line| Value::Bool(line == "t")),
            b'_' => self.line().map(|_| Value::Null),
            b'$' => Ok(self.blob()?.map_or(Value::Null, Value::Bulk)),
            b'=' => Ok(self.blob()?.map_or(Value::Null, |blob| {
                Value::Bulk(blob.get(4..).unwrap_or_default().to_vec())
            })),
            b'!' => {
                let blob = self.blob()?.unwrap_or_default();
                Ok(Value::Error(String::from_utf8_lossy(&blob).into_owned()))
            }
            b'*' | b'~' => Ok(self.list()?.map_or(Value::Null, Value::Array)),
            b'>' => Ok(self.list()?.map_or(Value::Null, Value::Push)),
            b'%' => {
                let count = self.number()?;
                (0..count)
                    .map(|_| Ok((self.value()?, self.value()?)))
                    .collect::<Result<_, _>>()
                    .map(Value::Map)
            }
            _ => Err(Stop::Invalid),
        }
    }

    fn number(&mut self) -> Result<i64, Stop> {
        self.line()?.parse().map_err(|_| Stop::Invalid)
    }

    /// A length line and that many bytes; none for `-1`.
    fn blob(&mut self) -> Result<Option<Vec<u8>>, Stop> {
        let Ok(length) = usize::try_from(self.number()?) else {
            return Ok(None);
        };
        let end = self.at + length;
        if self.bytes.len() < end + 2 {
            return Err(Stop::Incomplete);
        }
        let blob = self
            .bytes
            .get(self.at..end)
            .ok_or(Stop::Incomplete)?
            .to_vec();
        self.at = end + 2;
        Ok(Some(blob))
    }

    /// A count line and that many values; none for `-1`.
    fn list(&mut self) -> Result<Option<Vec<Value>>, Stop> {
        let count = self.number()?;
        if count < 0 {
            return Ok(None);
        }
        (0..count)
            .map(|_| self.value())
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[track_caller]
    fn check(input: &str, expected: &Value) {
        let (value, used) = Value::parse(input.as_bytes()).unwrap().unwrap();
        assert_eq!(&value, expected);
        assert_eq!(used, input.len());
        for cut in 0..input.len() {
            let part = Value::parse(&input.as_bytes()[..cut]).unwrap();
            assert_eq!(part, None, "{cut} bytes of {input:?} are no reply");
        }
    }

    #[test]
    fn the_parser_of_the_tests_reads_every_kind_of_reply() {
        let bulk = |text: &str| Value::Bulk(text.into());
        check("+OK\r\n", &Value::Simple("OK".into()));
        check("-ERR no\r\n", &Value::Error("ERR no".into()));
        check("!3\r\nERR\r\n", &Value::Error("ERR".into()));
        check(":-7\r\n", &Value::Int(-7));
        check("$-1\r\n", &Value::Null);
        check("_\r\n", &Value::Null);
        check("$4\r\na\r\nb\r\n", &bulk("a\r\nb"));
        check("=7\r\ntxt:abc\r\n", &bulk("abc"));
        check("#t\r\n", &Value::Bool(true));
        check(",1.5\r\n", &Value::Number("1.5".into()));
        let nested = Value::Array(vec![Value::Int(1), Value::Array(vec![]), Value::Null]);
        check("*3\r\n:1\r\n*0\r\n*-1\r\n", &nested);
        check(
            "%1\r\n+a\r\n:1\r\n",
            &Value::Map(vec![(Value::Simple("a".into()), Value::Int(1))]),
        );
        check(
            ">1\r\n+x\r\n",
            &Value::Push(vec![Value::Simple("x".into())]),
        );
    }
}
