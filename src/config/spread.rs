//! What a URL of Sentinels says, spread over the settings that it stands for. Pure.

use super::Error;
use super::flags::{Cli, Sentinels};
use super::sources::Sources;
use super::url::{Login, SentinelUrl};
use crate::net::HostPort;

/// The setting with the URL, and one that may stand in it.
const SENTINEL: &str = "sentinel";
const PRIMARY_NAME: &str = "primary-name";

/// What `--sentinel` says that no other flag could.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) sentinels: Vec<HostPort>,
    /// For the data nodes.
    pub(super) login: Option<Login>,
    /// For the Sentinels.
    pub(super) sentinel_login: Option<Login>,
}

/// Takes `--sentinel`; what a URL says besides becomes the value of the flags for it, and is noted as
/// given with the URL.
pub(super) fn take(cli: &mut Cli, sources: &mut Sources) -> Result<Taken, Error> {
    let given = std::mem::take(&mut cli.sentinel.sentinel);
    let is_alone = given.len() == 1;
    let mut taken = Taken::default();
    for value in given {
        match value {
            Sentinels::Plain(sentinels) => taken.sentinels.extend(sentinels),
            Sentinels::Url(url) if is_alone => return spread(*url, cli, sources),
            Sentinels::Url(_) => return Err(Error::UrlNotAlone),
        }
    }
    Ok(taken)
}

fn spread(url: SentinelUrl, cli: &mut Cli, sources: &mut Sources) -> Result<Taken, Error> {
    if let Some(name) = url.primary_name {
        match sources.of(PRIMARY_NAME) {
            Some(origin) if name != cli.sentinel.primary_name => {
                return Err(Error::SaidTwice {
                    what: "another primary name",
                    other: origin.to_string(),
                });
            }
            _ => cli.sentinel.primary_name = name,
        }
        note(sources, PRIMARY_NAME);
    }
    let legs = [
        ("upstream-tls", &mut cli.tls.upstream_tls),
        ("sentinel-tls", &mut cli.tls.sentinel_tls),
    ];
    // A leg that is spoken of by its own flag is what that says, but for one of lesser rank: a file must
    // not take off the encryption that the command line asks for.
    for (long, is_on) in legs.into_iter().filter(|_| url.tls) {
        *is_on |= sources.outranks(SENTINEL, long);
        note(sources, long);
    }
    Ok(Taken {
        sentinels: url.sentinels,
        login: url.login,
        sentinel_login: url.sentinel_login,
    })
}

/// Notes that the URL is where `long` was given, unless what counts was given by itself.
fn note(sources: &mut Sources, long: &str) {
    if sources.outranks(SENTINEL, long) {
        sources.note_with(long, SENTINEL);
    }
}
