//! Goal: whoever runs Steadfast, a person or a machine, learns what they need by the admin port and the
//! subcommands that ask it. Method: the binary among real servers; what it says beside what is.

mod actions;
mod asking;
mod file;
mod probes;
mod told;

use std::process::Output;
use std::time::Duration;

use crate::proxy::{Proxy, run_to_end};

const SOON: Duration = Duration::from_secs(60);

/// Runs a subcommand that asks `proxy`.
fn asked(proxy: &Proxy, args: &[&str]) -> Output {
    let admin = proxy.admin().to_string();
    run_to_end(&[args, &["--admin-listen", &admin]].concat())
}

/// Exit code, standard output, standard error.
fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}
