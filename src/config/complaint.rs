//! What is done to the command line's errors before anybody sees them. Pure.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};

use super::sources::{Origin, Sources};
use crate::net::without_userinfo;

/// A value in the form of a URL may have a password in it, and errors end up in logs.
pub(super) fn without_passwords(mut error: clap::Error) -> clap::Error {
    let repeated: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => Some((kind, without_userinfo(text).into_owned())),
            _ => None,
        })
        .collect();
    for (kind, text) in repeated {
        error.insert(kind, ContextValue::String(text));
    }
    error
}

/// Where the value does not stand on the command line, says where it does.
pub(super) fn name_origin(mut error: clap::Error, sources: &Sources) -> clap::Error {
    let flag = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) => flag.clone(),
        _ => return error,
    };
    let long = flag.trim_start_matches('-');
    let long = long.split([' ', '=', '[']).next().unwrap_or(long);
    let tip = match sources.of(long) {
        Some(Origin::Variable(name)) => format!("the value comes from the environment: {name}"),
        Some(origin @ (Origin::File { .. } | Origin::Endpoint { .. })) => {
            format!("the value comes from {origin}")
        }
        Some(Origin::Flag(_)) | None => return error,
    };
    error.insert(
        ContextKind::Suggested,
        ContextValue::StyledStrs(vec![StyledStr::from(tip)]),
    );
    error
}
