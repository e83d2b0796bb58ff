//! `--sentinel` with a URL: what it stands for, what it may not stand beside, and that its passwords
//! are kept.

use super::*;

const URL: &str = "valkeys+sentinel://app:hunter%32@s1,s2:5000/cache?sentinel_password=hunter3";
const SECRETS: [&str; 3] = ["hunter%32", "hunter2", "hunter3"];

#[track_caller]
fn hides(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn a_url_stands_for_several_settings() {
    for (args, env) in [
        (format!("--sentinel {URL}"), vec![]),
        (String::new(), vec![("STEADFAST_SENTINEL", URL)]),
    ] {
        let config = config(&args, &env);
        assert_eq!(addresses(&config.sentinels), "s1:26379,s2:5000");
        assert_eq!(config.primary_name, "cache");
        let login = config.login.expect("a login");
        assert_eq!(login.username.as_deref(), Some("app"));
        assert!(login.password.matches(b"hunter2"));
        let own = config
            .sentinel_credentials
            .expect("a login at the Sentinels");
        assert!(own.username.is_none() && own.password.matches(b"hunter3"));
        assert!(config.tls.upstream.is_some() && config.tls.sentinel.is_some());
    }
    let plain = config("--sentinel redis-sentinel://s1", &[]);
    assert_eq!(plain.primary_name, "mymaster");
    assert!(plain.login.is_none() && plain.tls.upstream.is_none());
}

#[test]
fn each_leg_may_be_what_its_own_flag_says() {
    let config = config("--sentinel rediss-sentinel://s1 --upstream-tls=false", &[]);
    assert!(config.tls.upstream.is_none() && config.tls.sentinel.is_some());
}

#[test]
fn nothing_of_lesser_rank_takes_off_the_tls_of_a_url() {
    let variable = [("STEADFAST_UPSTREAM_TLS", "false")];
    let by_flag = config("--sentinel rediss-sentinel://s1", &variable);
    assert!(by_flag.tls.upstream.is_some() && by_flag.tls.sentinel.is_some());
    let both = [variable[0], ("STEADFAST_SENTINEL", "rediss-sentinel://s1")];
    let by_variable = config("", &both);
    assert!(by_variable.tls.upstream.is_none() && by_variable.tls.sentinel.is_some());
}

#[test]
fn what_stands_twice_is_refused() {
    let url = "--sentinel redis-sentinel://u:hunter2@s1/n?sentinel_password=hunter3";
    let refused = |more: &str, env: &[(&str, &str)], because: &str| {
        check_refused(&format!("{url} {more}"), env, because);
    };
    refused("--username u", &[], "--username gives");
    refused("--password-file /f", &[], "--password-file gives");
    refused(
        "",
        &[("STEADFAST_PASSWORD", "p")],
        "STEADFAST_PASSWORD gives",
    );
    refused("--sentinel-username u", &[], "--sentinel-username gives");
    let sentinels = [("STEADFAST_SENTINEL_PASSWORD", "p")];
    refused("", &sentinels, "STEADFAST_SENTINEL_PASSWORD gives");
    let other = [("STEADFAST_PRIMARY_NAME", "m")];
    refused("", &other, "STEADFAST_PRIMARY_NAME gives");
    refused("--sentinel s2", &[], "something else");
    config(&format!("{url} --primary-name n"), &[]);
    // What is not used is in nobody's way.
    let unused = [("STEADFAST_SENTINEL", "redis-sentinel://u:hunter2@s1/n")];
    config("--sentinel s1 --primary-name m", &unused);
}

#[test]
fn a_login_from_a_url_is_not_handed_to_the_network_either() {
    let open = "--listen 0.0.0.0:1 --sentinel redis-sentinel://:hunter2@s1";
    check_refused(open, &[], "--client-password-file");
}

#[test]
fn its_passwords_are_nowhere_to_be_seen() {
    let (_file, path) = file(format!("sentinel = \"{URL}\"").as_bytes());
    for args in [format!("--sentinel {URL}"), format!("--config {path}")] {
        let invocation = load_with(&args, &[]).expect("usable");
        hides(&format!("{invocation:?}"));
        hides(&invocation.settings.to_string());
        hides(&invocation.settings.to_json());
    }
    for bad in ["&database=1", "&x=y", "#f", "&sentinel_password=hunter2"] {
        let url = format!("{URL}{bad}");
        for (args, env) in [
            (format!("--sentinel {url}"), vec![]),
            (String::new(), vec![("STEADFAST_SENTINEL", url.as_str())]),
            (format!("--primary-name other --sentinel {URL}"), vec![]),
            (format!("--sentinel {url},{url}"), vec![]),
        ] {
            let refusal = load_with(&args, &env).expect_err(&url);
            hides(&format!("{refusal} {refusal:?}"));
        }
    }
}

#[test]
fn the_settings_it_stands_for_are_shown_as_its_own() {
    let invocation = load_with(&format!("--sentinel {URL}"), &[]).expect("usable");
    let text = invocation.settings.to_string();
    for shown in [
        "sentinel = [\"s1:26379\",\"s2:5000\"]",
        "primary_name = \"cache\"",
        "username = \"app\"",
        "# password = \"***\"",
        "# sentinel_password = \"***\"",
        "upstream_tls = \"true\"",
        "sentinel_tls = \"true\"",
    ] {
        let line = text.lines().find(|line| line.starts_with(shown));
        let line = line.unwrap_or_else(|| panic!("no {shown} in {text}"));
        assert!(line.ends_with("# --sentinel"), "{line}");
    }
}
