//! Whose requests are answered, by their headers: web pages of others, which a browser on this machine
//! shows, are to learn nothing here and to do nothing. Pure.
//!
//! A page may send what it likes to an address it knows, but cannot read the answer unless the browser
//! takes both for the same site. It does when the page's own name is made to lead here (DNS
//! rebinding): then `Host` has that name in it. What is sent from another site has an `Origin`.

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::{HOST, HeaderName, HeaderValue, ORIGIN};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether every `Host` there is can only be meant for this machine: an address, or `localhost`. A name
/// that is neither may be anybody's.
pub(super) fn is_for_us(headers: &HeaderMap) -> bool {
    headers.get_all(HOST).iter().all(|host| {
        let host = host.to_str().unwrap_or_default();
        is_address_or_localhost(without_port(host))
    })
}

fn without_port(host: &str) -> &str {
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        _ => host,
    }
}

fn is_address_or_localhost(name: &str) -> bool {
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let name = name.to_ascii_lowercase();
    bare.unwrap_or(&name).parse::<IpAddr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
}

/// Whether it was sent by no web page, or by a page of this very port.
pub(super) fn is_from_same_site(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    let own = |origin: &HeaderValue| {
        let origin = origin.as_bytes().strip_prefix(b"http://");
        origin.is_some() && origin == host
    };
    let near = |site: &HeaderValue| site == "same-origin" || site == "none";
    headers.get_all(ORIGIN).iter().all(own) && headers.get_all(SEC_FETCH_SITE).iter().all(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_addresses_and_localhost_are_surely_this_machine() {
        for ours in [
            "127.0.0.1:9379",
            "10.0.0.7",
            "[::1]:9379",
            "[::1]",
            "localhost",
            "LOCALHOST:1",
            "a.localhost:80",
        ] {
            assert!(is_for_us(&headers(&[(HOST, ours)])), "{ours}");
        }
        let theirs = [
            "evil.example:9379",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "",
            "x",
            "::1:x",
        ];
        for theirs in theirs {
            assert!(!is_for_us(&headers(&[(HOST, theirs)])), "{theirs}");
        }
        assert!(is_for_us(&headers(&[])), "no browser leaves it out");
        let both = [(HOST, "127.0.0.1"), (HOST, "evil.example")];
        assert!(!is_for_us(&headers(&both)));
    }

    #[test]
    fn other_sites_are_told_by_what_browsers_add() {
        let host = (HOST, "127.0.0.1:9379");
        let from = |more: &[(HeaderName, &'static str)]| {
            let all = [std::slice::from_ref(&host), more].concat();
            is_from_same_site(&headers(&all))
        };
        assert!(from(&[]));
        assert!(from(&[(ORIGIN, "http://127.0.0.1:9379")]));
        assert!(from(&[(SEC_FETCH_SITE, "same-origin")]));
        assert!(from(&[(SEC_FETCH_SITE, "none")]));
        for origin in [
            "null",
            "",
            "http://127.0.0.1:8000",
            "http://evil.example",
            "https://127.0.0.1:9379",
        ] {
            assert!(!from(&[(ORIGIN, origin)]), "{origin}");
        }
        for site in ["cross-site", "same-site", ""] {
            assert!(!from(&[(SEC_FETCH_SITE, site)]), "{site}");
        }
        assert!(
            !is_from_same_site(&headers(&[(ORIGIN, "http://")])),
            "without a Host"
        );
    }
}
