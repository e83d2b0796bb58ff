//! What `/metrics` answers, as values. Anything that is not of the format fails the test.

use std::collections::BTreeMap;

use crate::proxy::Proxy;

/// One line of a scrape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// With `_bucket`, `_sum` or `_count` where it is part of a histogram.
    pub(crate) name: String,
    /// Its labels.
    pub(crate) labels: BTreeMap<String, String>,
    /// What it says.
    pub(crate) value: f64,
}

/// One scrape.
#[derive(Debug, Default)]
pub(crate) struct Scrape {
    types: BTreeMap<String, String>,
    samples: Vec<Sample>,
    text: String,
}

impl Scrape {
    /// What `proxy` answers now.
    #[track_caller]
    pub(crate) fn of(proxy: &Proxy) -> Self {
        let (code, text) = proxy.get("/metrics").expect("an answer");
        assert_eq!(code, 200);
        Self::parse(&text)
    }

    #[track_caller]
    fn parse(text: &str) -> Self {
        let mut scrape = Self {
            text: text.to_owned(),
            ..Self::default()
        };
        for line in text.lines() {
            if let Some(said) = line.strip_prefix("# TYPE ") {
                let (name, kind) = said.split_once(' ').expect("a type");
                let known = scrape.types.insert(name.to_owned(), kind.to_owned());
                assert_eq!(known, None, "{name} twice");
            } else if !line.starts_with("# HELP ") {
                scrape.samples.push(sample(line));
            }
        }
        scrape
    }

    /// As it was told.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The type of each metric.
    pub(crate) fn types(&self) -> &BTreeMap<String, String> {
        &self.types
    }

    /// Every sample.
    pub(crate) fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The samples of a metric, all parts of a histogram included.
    pub(crate) fn samples_of(&self, metric: &str) -> impl Iterator<Item = &Sample> {
        let suffixes: &[&str] = match self.types.get(metric).map(String::as_str) {
            Some("histogram") => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        let names: Vec<_> = suffixes
            .iter()
            .map(|suffix| format!("{metric}{suffix}"))
            .collect();
        self.samples
            .iter()
            .filter(move |sample| names.contains(&sample.name))
    }

    /// The sum of all samples of this name that have these labels; there must be one.
    #[track_caller]
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |sample: &&Sample| {
            let mut wanted = labels.iter();
            sample.name == name
                && wanted
                    .all(|(label, value)| sample.labels.get(*label).is_some_and(|it| it == value))
        };
        let mut found = self.samples.iter().filter(has).peekable();
        assert!(found.peek().is_some(), "no {name} with {labels:?}");
        found.map(|sample| sample.value).sum()
    }

    /// As [`Scrape::value`], for what is a whole number.
    #[track_caller]
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> usize {
        let value = self.value(name, labels).to_string();
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is {value}"))
    }

    /// Samples of counters and histograms that are less here than they were in `earlier`.
    pub(crate) fn went_down_since(&self, earlier: &Self) -> Vec<String> {
        let counts = |sample: &&Sample| {
            let parts = ["_total", "_bucket", "_count", "_sum"];
            parts.iter().any(|part| sample.name.ends_with(part))
        };
        let now = |before: &Sample| {
            let mut all = self.samples.iter();
            all.find(|sample| sample.name == before.name && sample.labels == before.labels)
        };
        let earlier = earlier.samples.iter().filter(counts);
        earlier
            .filter(|before| now(before).is_none_or(|now| now.value < before.value))
            .map(|before| format!("{before:?}, now {:?}", now(before)))
            .collect()
    }
}

#[track_caller]
fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').expect("closed")),
        None => (series, ""),
    };
    // No value in these tests has a comma or an escape in it.
    let labels = labels.split(',').filter(|label| !label.is_empty());
    let labels = labels.map(|label| {
        let (label, value) = label.split_once("=\"").expect("a label");
        let value = value.strip_suffix('"').expect("quoted");
        (label.to_owned(), value.to_owned())
    });
    Sample {
        name: name.to_owned(),
        labels: labels.collect(),
        value: value.parse().unwrap_or_else(|_| panic!("{line}")),
    }
}
