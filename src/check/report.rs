//! The outcome as aligned text.

use std::fmt;

use super::judge::{self, Choice, Findings};
use super::sentinel::{self, Sentinel};
use super::server::{self, Server};
use crate::config::Config;
use crate::discovery::message::Role;

/// What `steadfast check` found; its `Display` is what the operator reads.
#[derive(Debug)]
pub(super) struct Report {
    name: String,
    primary_name: String,
    sentinels: Vec<Sentinel>,
    servers: Vec<Server>,
    choice: Option<Choice>,
    findings: Findings,
}

/// One row: a mark, who, and what there is to say.
struct Row {
    mark: &'static str,
    who: String,
    says: String,
}

impl Report {
    pub(super) fn new(
        config: &Config,
        sentinels: Vec<Sentinel>,
        servers: Vec<Server>,
        choice: Option<Choice>,
        findings: Findings,
    ) -> Self {
        Self {
            name: config.name.clone(),
            primary_name: config.primary_name.clone(),
            sentinels,
            servers,
            choice,
            findings,
        }
    }

    /// Whether the proxy would serve.
    pub(super) fn passed(&self) -> bool {
        self.findings.failures.is_empty()
    }
}

impl Report {
    /// Whether both lead to one server: at one address, or known by what it calls itself.
    fn has_primary_of(&self, other: &Self) -> bool {
        let same_address = match (&self.choice, &other.choice) {
            (Some(one), Some(other)) => one.primary == other.primary,
            _ => false,
        };
        let run_id = self.primary_run_id();
        same_address || run_id.is_some() && run_id == other.primary_run_id()
    }

    fn primary_run_id(&self) -> Option<&String> {
        let primary = self.servers.first()?;
        primary.answer.as_ref().ok()?.run_id.as_ref()
    }
}

/// What it found of all endpoints.
#[derive(Debug)]
pub struct Reports {
    all: Vec<Report>,
    warnings: Vec<String>,
}

impl Reports {
    pub(super) fn new(all: Vec<Report>) -> Self {
        let mut warnings = Vec::new();
        let mut later = all.as_slice();
        while let Some((one, rest)) = later.split_first() {
            for other in rest.iter().filter(|other| one.has_primary_of(other)) {
                warnings.push(format!(
                    "the endpoints {} and {} lead to the same primary: clients that take them for two, as for a lock held by a majority of servers, are wrong; look at primary_name and sentinel of both",
                    one.name, other.name
                ));
            }
            later = rest;
        }
        Self { all, warnings }
    }

    /// Whether the proxy would serve all of them.
    pub fn passed(&self) -> bool {
        self.all.iter().all(Report::passed)
    }
}

impl fmt::Display for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.all.as_slice() {
            return only.fmt(f);
        }
        for (index, report) in self.all.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            writeln!(f, "{gap}Endpoint {}", report.name)?;
            report.fmt(f)?;
        }
        list(f, "Warnings about the endpoints together", &self.warnings)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Sentinels, asked for '{}':", self.primary_name)?;
        table(f, self.sentinels.iter().map(sentinel_row).collect())?;
        writeln!(f, "  {}", judge::subscription(&self.sentinels))?;
        if !self.servers.is_empty() {
            writeln!(f, "\nServers:")?;
            table(f, self.servers.iter().map(server_row).collect())?;
        }
        list(f, "Warnings", &self.findings.warnings)?;
        list(f, "Failures", &self.findings.failures)?;
        match (&self.choice, self.passed()) {
            (Some(choice), true) => {
                let Choice { primary, epoch } = choice;
                writeln!(
                    f,
                    "\nResult: the primary is {primary} (epoch {epoch}); Steadfast would serve it."
                )
            }
            _ => writeln!(f, "\nResult: Steadfast would not serve any primary."),
        }
    }
}

fn sentinel_row(sentinel: &Sentinel) -> Row {
    let mut who = sentinel.address.to_string();
    if sentinel.learned {
        who.push_str(" (learned)");
    }
    let (mark, says) = match &sentinel.answer {
        Ok(answer) => ("ok", sentinel_says(answer)),
        Err(sentence) => ("FAIL", sentence.clone()),
    };
    Row { mark, who, says }
}

fn sentinel_says(answer: &sentinel::Answer) -> String {
    let subscribed = if answer.earshot.is_subscribed() {
        "subscribed"
    } else {
        "not subscribed"
    };
    format!(
        "primary {}  epoch {}  quorum {}  flags {}  {subscribed}",
        answer.primary,
        answer.fields.epoch,
        answer.fields.quorum,
        answer.flags.escape_debug(),
    )
}

fn server_row(server: &Server) -> Row {
    let (mark, says) = match &server.answer {
        Ok(answer) => server_says(answer),
        Err(sentence) => ("FAIL", sentence.clone()),
    };
    Row {
        mark,
        who: server.address.to_string(),
        says,
    }
}

fn server_says(answer: &server::Answer) -> (&'static str, String) {
    match &answer.role {
        Ok(Role::Master { .. }) => ("ok", "primary".to_owned()),
        Ok(Role::Replica) => ("ok", "replica".to_owned()),
        Ok(Role::Other) => ("?", "no data server".to_owned()),
        Err(rejection) => ("?", format!("role unknown ({})", rejection.text)),
    }
}

fn table(f: &mut fmt::Formatter<'_>, rows: Vec<Row>) -> fmt::Result {
    let width = rows.iter().map(|row| row.who.len()).max().unwrap_or(0);
    for Row { mark, who, says } in rows {
        writeln!(f, "  {mark:<4}  {who:<width$}  {says}")?;
    }
    Ok(())
}

fn list(f: &mut fmt::Formatter<'_>, title: &str, sentences: &[String]) -> fmt::Result {
    if sentences.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{title}:")?;
    for sentence in sentences {
        writeln!(f, "  - {sentence}")?;
    }
    Ok(())
}
