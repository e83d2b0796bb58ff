//! `%XX` in URLs. Pure.

/// The bytes that `text` stands for; none where a `%` does not begin two hexadecimal digits.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => digit(bytes.next()?)? << 4 | digit(bytes.next()?)?,
            plain => plain,
        });
    }
    Some(decoded)
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_digits_are_one_byte() {
        for (text, expected) in [
            ("", Some("")),
            ("a+b", Some("a+b")),
            ("a%20b", Some("a b")),
            ("%C3%a4", Some("\u{e4}")),
            ("%", None),
            ("%4", None),
            ("%4g", None),
            ("%%41", None),
        ] {
            let expected = expected.map(|text| text.as_bytes().to_vec());
            assert_eq!(decoded(text), expected, "{text}");
        }
    }
}
