//! The text format of Prometheus, version 0.0.4: one family after the other, labels escaped.
//!
//! Written by hand, because the exposition of the usual library is OpenMetrics, which the linter of
//! Prometheus 2 misreads; and there is little to write.

use std::fmt::Write;
use std::time::Duration;

use crate::count::Durations;

use super::{ENDPOINT, Family, Kind};

/// A page being written.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// Begins with the next family.
    pub(super) fn begin(&mut self, family: &'static Family) -> Samples<'_> {
        let Family { name, help, .. } = family;
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {}", family.kind.name()));
        Samples {
            page: self,
            family,
            endpoint: None,
        }
    }

    /// The text written so far.
    pub(super) fn into_text(self) -> String {
        self.0
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.0.write_fmt(line);
        self.0.push('\n');
    }
}

/// Where the samples of one family go.
pub(super) struct Samples<'a> {
    page: &'a mut Page,
    family: &'static Family,
    endpoint: Option<&'a str>,
}

impl Samples<'_> {
    /// The samples about this endpoint.
    pub(super) fn about<'a>(&'a mut self, endpoint: &'a str) -> Samples<'a> {
        Samples {
            page: self.page,
            family: self.family,
            endpoint: Some(endpoint),
        }
    }

    /// The one sample of a family without labels.
    pub(super) fn value(&mut self, value: impl Into<Value>) {
        self.labelled(&[], value);
    }

    /// The sample with these values of the family's labels.
    pub(super) fn labelled(&mut self, values: &[&str], value: impl Into<Value>) {
        self.sample("", values, None, value.into());
    }

    /// The histogram with these values of the family's labels.
    pub(super) fn durations(&mut self, values: &[&str], durations: &Durations) {
        debug_assert_eq!(self.family.kind, Kind::Histogram);
        let mut below = 0_u64;
        let bounds = durations.bounds().iter();
        let bounds = bounds.map(|bound| bound.as_secs_f64().to_string());
        let bounds = bounds.chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(durations.buckets()) {
            below = below.wrapping_add(*count);
            self.sample("_bucket", values, Some(&bound), Value::Whole(below));
        }
        self.sample("_sum", values, None, durations.sum().into());
        self.sample("_count", values, None, Value::Whole(below));
    }

    fn sample(&mut self, suffix: &str, values: &[&str], bound: Option<&str>, value: Value) {
        debug_assert_eq!(
            values.len(),
            self.family.labels.len(),
            "{}",
            self.family.name
        );
        let text = &mut self.page.0;
        text.push_str(self.family.name);
        text.push_str(suffix);
        let labels = self.family.labels.iter().copied();
        let labels = labels.zip(values.iter().copied());
        let endpoint = self.endpoint.map(|name| (ENDPOINT, name)).into_iter();
        let bound = bound.map(|bound| ("le", bound));
        let mut open = '{';
        for (label, value) in endpoint.chain(labels).chain(bound) {
            text.push(open);
            text.push_str(label);
            text.push_str("=\"");
            text.extend(value.chars().flat_map(escaped));
            text.push('"');
            open = ',';
        }
        if open == ',' {
            text.push('}');
        }
        // Writing to a string does not fail.
        let _ = match value {
            Value::Whole(value) => writeln!(text, " {value}"),
            Value::Real(value) => writeln!(text, " {value}"),
        };
    }
}

/// A label's value takes these three escapes and no other.
fn escaped(c: char) -> impl Iterator<Item = char> {
    let (first, second) = match c {
        '\\' => ('\\', Some('\\')),
        '"' => ('\\', Some('"')),
        '\n' => ('\\', Some('n')),
        other => (other, None),
    };
    std::iter::once(first).chain(second)
}

/// What a sample says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    /// A count.
    Whole(u64),
    /// Seconds.
    Real(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Whole(value as u64)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<Duration> for Value {
    fn from(value: Duration) -> Self {
        Self::Real(value.as_secs_f64())
    }
}
