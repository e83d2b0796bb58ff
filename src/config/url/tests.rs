//! URLs as libraries write them, and what is made of them.

use super::*;

/// `addresses name tls user:password sentinel-user:sentinel-password`, with `-` for what is not there.
fn told(url: &SentinelUrl) -> String {
    let login = |login: &Option<Login>| match login {
        None => "-".to_owned(),
        Some(login) => format!(
            "{}:{}",
            login.username.as_deref().unwrap_or_default(),
            String::from_utf8_lossy(login.password.expose())
        ),
    };
    let addresses: Vec<_> = url.sentinels.iter().map(HostPort::to_string).collect();
    format!(
        "{} {} {} {} {}",
        addresses.join(","),
        url.primary_name.as_deref().unwrap_or("-"),
        if url.tls { "tls" } else { "-" },
        login(&url.login),
        login(&url.sentinel_login),
    )
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert!(is_meant_by(text), "{text}");
    assert_eq!(
        parse(text).map(|url| told(&url)),
        Ok(expected.to_owned()),
        "{text}"
    );
}

#[track_caller]
fn check_refused(text: &str, because: &str) {
    assert!(is_meant_by(text), "{text}");
    let reason = parse(text).map(|url| told(&url)).expect_err(text);
    assert!(reason.contains(because), "{text}: {reason}");
    assert!(!reason.contains("hunter2"), "{text}: {reason}");
}

#[test]
fn the_forms_of_the_libraries() {
    check("valkey-sentinel://h", "h:26379 - - - -");
    check(
        "valkey+sentinel://h1,h2:5000/cache",
        "h1:26379,h2:5000 cache - - -",
    );
    check(
        "redis+sentinel://u:p@h1,h2/cache/0",
        "h1:26379,h2:26379 cache - u:p -",
    );
    check(
        "redis+sentinel://h/cache?sentinel_username=su&sentinel_password=sp",
        "h:26379 cache - - su:sp",
    );
    // Lettuce
    check(
        "redis-sentinel://:p@h1,h2:1/0?sentinelMasterId=cache",
        "h1:26379,h2:1 cache - :p -",
    );
    check(
        "rediss-sentinel://h?sentinelMasterId=cache",
        "h:26379 cache tls - -",
    );
    // fred
    check(
        "redis-sentinel://u:p@h:1/0?node=h2:2&node=h3&sentinelServiceName=cache&sentinelUsername=su&sentinelPassword=sp",
        "h:1,h2:2,h3:26379 cache - u:p su:sp",
    );
    check("valkeys+sentinel://h", "h:26379 - tls - -");
    check("REDISS+SENTINEL://h/", "h:26379 - tls - -");
    check(
        "redis-sentinel://[::1],[fd00::2]:7/n",
        "[::1]:26379,[fd00::2]:7 n - - -",
    );
}

#[test]
fn special_characters_are_escaped() {
    check(
        "redis-sentinel://a%40b:p%2Fw%3A%3f@h/my%2Fset",
        "h:26379 my/set - a@b:p/w:? -",
    );
    check("redis-sentinel://u:a:b@h", "h:26379 - - u:a:b -");
    check(
        "redis-sentinel://h?sentinel_password=%2B%26%3D%25",
        "h:26379 - - - :+&=%",
    );
    for bad in ["%", "%4", "%zz", "a%4"] {
        check_refused(&format!("redis-sentinel://u:hunter2{bad}@h"), "%XX");
        check_refused(
            &format!("redis-sentinel://h?sentinel_password=hunter2{bad}"),
            "%XX",
        );
    }
}

#[test]
fn what_is_read_differently_elsewhere_is_refused() {
    check_refused("redis-sentinel://hunter2@h", "USER:PASSWORD");
    check_refused("redis-sentinel://user:@h", "without a password");
    check_refused("redis-sentinel://h/name/3", "for the clients");
    check_refused("redis-sentinel://h/3?master_name=n", "for the clients");
    check_refused("redis-sentinel://h?database=1", "for the clients");
    check_refused(
        "redis-sentinel://h/a?master_name=b",
        "two different primaries",
    );
    check_refused("redis-sentinel://h?sentinel_password=hunter2+x", "%2B");
    check_refused("redis-sentinel://h?timeout=10s", "there are flags");
    check_refused(
        "redis-sentinel://h?sentinel_username=a",
        "without a sentinel_password",
    );
    let twice = "redis-sentinel://h?sentinel_password=hunter2&sentinelPassword=hunter2";
    check_refused(twice, "twice");
    check("redis-sentinel://h/a?master_name=a", "h:26379 a - - -");
    // A number is a name where nothing else is.
    check("redis-sentinel://h/0", "h:26379 0 - - -");
}

#[test]
fn what_is_not_well_formed_is_not_repeated() {
    for bad in [
        "redis-sentinel://",
        "redis-sentinel:///name",
        "redis-sentinel://:hunter2",
        "redis-sentinel://h,,h2",
        "redis-sentinel://h:0",
        "redis-sentinel://h/a/0/b",
        "redis-sentinel://h/a/b",
        "redis-sentinel://h/a%20b",
        "redis-sentinel://h?hunter2",
        "redis-sentinel://u:hun/ter2@h",
        "redis-sentinel://u:hunter2?x@h",
        "redis-sentinel://u:hunter2#x@h",
        "redis-sentinel://h?sentinel_password=hunter2@x",
        "redis-sentinel://h?node=hunter2@x",
        "redis-sentinel://h?sentinel_password=",
    ] {
        check_refused(bad, "");
    }
    for other in [
        "redis://h",
        "rediss://h",
        "sentinel://h",
        "s1:26379",
        "h://x",
        "://",
    ] {
        assert!(!is_meant_by(other), "{other}");
    }
}
