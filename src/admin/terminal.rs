//! `/status` as people read it in a terminal. Pure: JSON in, text out; what is missing in it, as where
//! another version answers, is left out or shown as `?`.

use std::fmt::Write;

use serde_json::Value;

/// Lays out what `/status` told.
///
/// # Errors
/// When it is no JSON.
pub fn lay_out(status: &str) -> Result<String, serde_json::Error> {
    let status: Value = serde_json::from_str(status)?;
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = sections(&mut out, &status);
    Ok(out)
}

fn sections(out: &mut String, status: &Value) -> std::fmt::Result {
    let draining = if status["draining"] == true {
        ", draining"
    } else {
        ""
    };
    let uptime = span_ms(status["uptime_s"].as_u64().map(|s| s.saturating_mul(1000)));
    let version = text(&status["version"]);
    writeln!(out, "steadfast  {version}, up for {uptime}{draining}")?;
    let (now, most) = (
        bytes(&status["held_bytes"]),
        bytes(&status["max_held_bytes"]),
    );
    let held = format!("{now} of {most} held");
    match list(&status["endpoints"]).collect::<Vec<_>>().as_slice() {
        // What is told of the only one stands outside as well.
        [] | [_] => endpoint(out, status, &format!(", {held}")),
        all => {
            writeln!(out, "memory     {held}")?;
            all.iter().try_for_each(|one| {
                writeln!(out, "\nendpoint   {}", text(&one["name"]))?;
                endpoint(out, one, "")
            })
        }
    }
}

/// `held` is what to say of the bytes that are kept.
fn endpoint(out: &mut String, status: &Value, held: &str) -> std::fmt::Result {
    let (discovery, totals) = (&status["discovery"], &status["totals"]);
    let since = span_ms(
        status["gate_since_s"]
            .as_u64()
            .map(|s| s.saturating_mul(1000)),
    );
    writeln!(out, "gate       {} for {since}", text(&status["gate"]))?;
    if let Some(missing) = discovery["waiting_for"]
        .as_str()
        .filter(|_| status["gate"] != "open")
    {
        writeln!(out, "           waiting for {}", plain(missing))?;
    }
    primary(out, status)?;
    sentinels(out, discovery)?;
    let (clients, waiting) = (text(&totals["clients"]), text(&totals["held"]));
    writeln!(
        out,
        "clients    {clients} connected, {waiting} waiting{held}"
    )?;
    let links = &status["links"];
    let [shared, dedicated, pooled] = ["shared", "dedicated", "pooled"].map(|of| text(&links[of]));
    writeln!(
        out,
        "links      {shared} shared, {dedicated} dedicated, {pooled} pooled"
    )?;
    let [commands, refused] = ["commands", "refused"].map(|of| text(&totals[of]));
    let [resent, uncertain] = ["resent", "uncertain"].map(|of| text(&totals[of]));
    writeln!(
        out,
        "commands   {commands}, of them {refused} refused, {resent} sent again, {uncertain} uncertain"
    )?;
    switches(out, discovery)
}

fn primary(out: &mut String, status: &Value) -> std::fmt::Result {
    let (primary, name) = (&status["primary"], text(&status["primary_name"]));
    if primary.is_null() {
        return writeln!(out, "primary    none of '{name}' yet");
    }
    let (address, epoch) = (text(&primary["address"]), text(&primary["epoch"]));
    let says = match (primary["says"].as_str(), primary["role_verified"] == true) {
        (Some(says), _) => format!("says: {}", plain(says)),
        (None, true) => "its role was verified".to_owned(),
        (None, false) => "each connection checks its role".to_owned(),
    };
    writeln!(
        out,
        "primary    {address} of '{name}', epoch {epoch}, {says}"
    )?;
    let named_by: Vec<_> = list(&primary["named_by"]).map(text).collect();
    match named_by.is_empty() {
        true => writeln!(out, "           no Sentinel names it at this moment"),
        false => writeln!(out, "           named by {}", named_by.join(", ")),
    }
}

fn sentinels(out: &mut String, discovery: &Value) -> std::fmt::Result {
    let (reachable, quorum) = (text(&discovery["reachable"]), text(&discovery["quorum"]));
    let heard = text(&discovery["subscription"]);
    writeln!(
        out,
        "Sentinels  {reachable} reachable, quorum {quorum}, {heard}"
    )?;
    for sentinel in list(&discovery["sentinels"]) {
        writeln!(
            out,
            "           {}: {}",
            text(&sentinel["address"]),
            says(sentinel)
        )?;
    }
    Ok(())
}

fn says(sentinel: &Value) -> String {
    let mut parts = Vec::new();
    if let Some(primary) = sentinel["primary"].as_str() {
        parts.push(format!(
            "{} at epoch {}",
            plain(primary),
            text(&sentinel["epoch"])
        ));
    }
    parts.extend(
        sentinel["trouble"]
            .as_str()
            .map(|trouble| format!("sees: {}", plain(trouble))),
    );
    if let Some(ms) = sentinel["answered_ms_ago"].as_u64() {
        parts.push(format!("asked {} ago", span_ms(Some(ms))));
    }
    let heard = sentinel["subscribed"] == true;
    parts.push(
        if heard {
            "subscribed"
        } else {
            "not subscribed"
        }
        .to_owned(),
    );
    parts.extend(sentinel["error"].as_str().map(plain));
    parts.join(", ")
}

fn switches(out: &mut String, discovery: &Value) -> std::fmt::Result {
    let mut all = list(&discovery["last_switches"]).peekable();
    if all.peek().is_some() {
        writeln!(out, "switches")?;
    }
    for switch in all {
        let ago = span_ms(switch["ms_ago"].as_u64());
        let from = switch["from"]
            .as_str()
            .map_or_else(|| "none".to_owned(), plain);
        let [to, epoch, source] = ["to", "epoch", "source"].map(|of| text(&switch[of]));
        let how = switch["departure"]
            .as_str()
            .map_or_else(|| "first choice".to_owned(), plain);
        let closed = span_ms(switch["not_open_ms"].as_u64());
        let [held, resent, uncertain] = ["held", "resent", "uncertain"].map(|of| text(&switch[of]));
        writeln!(
            out,
            "           {ago} ago: {from} -> {to}, epoch {epoch}, {how}, by {source}"
        )?;
        writeln!(
            out,
            "             held for {closed}: {held} clients waited, {resent} commands sent again, {uncertain} uncertain"
        )?;
    }
    Ok(())
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "?".to_owned(),
        Value::String(text) => plain(text),
        other => other.to_string(),
    }
}

/// Words of others must not steer the terminal.
fn plain(text: &str) -> String {
    text.replace(char::is_control, "?")
}

fn bytes(value: &Value) -> String {
    match value.as_u64() {
        None => "?".to_owned(),
        Some(n) if n < 1 << 10 => format!("{n} B"),
        Some(n) if n < 1 << 20 => format!("{} KiB", n >> 10),
        Some(n) => format!("{} MiB", n >> 20),
    }
}

fn span_ms(ms: Option<u64>) -> String {
    match ms {
        None => "?".to_owned(),
        Some(ms) if ms < 1_000 => format!("{ms} ms"),
        Some(ms) if ms < 120_000 => format!("{} s", ms / 1_000),
        Some(ms) if ms < 7_200_000 => format!("{} min", ms / 60_000),
        Some(ms) if ms < 172_800_000 => format!("{} h", ms / 3_600_000),
        Some(ms) => format!("{} days", ms / 86_400_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = r#"{
        "version": "1.2.3", "uptime_s": 100, "draining": false, "primary_name": "mymaster",
        "gate": "shut", "gate_since_s": 3, "held_bytes": 2048, "max_held_bytes": 67108864,
        "primary": {"address": "10.0.0.7:6379", "epoch": 3, "named_by": ["s1:1", "s2:1"],
                    "role_verified": true, "says": "master"},
        "links": {"shared": 1, "dedicated": 2, "pooled": 3},
        "totals": {"clients": 4, "held": 2, "commands": 99, "refused": 0, "resent": 5, "uncertain": 6},
        "discovery": {
            "reachable": 2, "quorum": 2, "subscription": "subscribed to 2 of 3",
            "waiting_for": "a Sentinel\u001b[31m to answer",
            "sentinels": [{"address": "s1:1", "primary": "10.0.0.7:6379", "epoch": 3, "trouble": "down",
                           "answered_ms_ago": 400, "subscribed": true, "error": null},
                          {"address": "s3:1", "subscribed": false, "error": "connection refused"}],
            "last_switches": [{"ms_ago": 130000, "from": "10.0.0.6:6379", "to": "10.0.0.7:6379",
                               "epoch": 3, "source": "s1:1,s2:1", "departure": "planned",
                               "held": 7, "resent": 8, "uncertain": 9, "not_open_ms": 480}]
        }
    }"#;

    const SHOWN: &str = "\
steadfast  1.2.3, up for 100 s
gate       shut for 3 s
           waiting for a Sentinel?[31m to answer
primary    10.0.0.7:6379 of 'mymaster', epoch 3, says: master
           named by s1:1, s2:1
Sentinels  2 reachable, quorum 2, subscribed to 2 of 3
           s1:1: 10.0.0.7:6379 at epoch 3, sees: down, asked 400 ms ago, subscribed
           s3:1: not subscribed, connection refused
clients    4 connected, 2 waiting, 2 KiB of 64 MiB held
links      1 shared, 2 dedicated, 3 pooled
commands   99, of them 0 refused, 5 sent again, 6 uncertain
switches
           2 min ago: 10.0.0.6:6379 -> 10.0.0.7:6379, epoch 3, planned, by s1:1,s2:1
             held for 480 ms: 7 clients waited, 8 commands sent again, 9 uncertain
";

    #[test]
    fn shows_all_that_matters_and_no_control_characters() {
        assert_eq!(lay_out(STATUS).expect("JSON"), SHOWN);
    }

    #[test]
    fn each_of_several_endpoints_is_shown() {
        let told = r#"{"held_bytes": 1, "max_held_bytes": 2, "endpoints": [
            {"name": "a", "gate": "open", "primary_name": "p"},
            {"name": "b", "gate": "shut", "primary_name": "p"}]}"#;
        let shown = lay_out(told).expect("JSON");
        for part in [
            "memory     1 B of 2 B held\n\nendpoint   a\ngate       open",
            "\nendpoint   b\ngate       shut",
        ] {
            assert!(shown.contains(part), "{shown}");
        }
    }

    #[test]
    fn what_is_missing_breaks_nothing() {
        let shown = lay_out("{}").expect("JSON");
        assert!(shown.contains("gate       ? for ?"), "{shown}");
        assert!(shown.contains("primary    none of '?' yet"), "{shown}");
        assert!(lay_out("<html>").is_err());
    }
}
