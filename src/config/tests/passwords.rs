//! Passwords: where they come from, whom they are kept from, and what they protect.

use super::*;

#[test]
fn a_password_file_loses_exactly_one_newline() {
    for (content, expected) in [
        ("secret", "secret"),
        ("secret\n", "secret"),
        ("secret\r\n", "secret"),
        ("secret\n\n", "secret\n"),
        (" secret ", " secret "),
    ] {
        let (_file, path) = file(content.as_bytes());
        let config = config(&format!("--password-file {path}"), &[]);
        let login = config.login.expect("a login");
        assert!(login.password.matches(expected.as_bytes()), "{content:?}");
        assert_eq!(login.username, None);
    }
}

#[test]
fn a_password_file_wins_over_the_variable() {
    let (_file, path) = file(b"from file");
    let env = [("STEADFAST_SENTINEL_PASSWORD", "literal")];
    let of = |args: &str| {
        config(args, &env)
            .sentinel_credentials
            .expect("credentials")
    };
    assert!(of("").password.matches(b"literal"));
    let both = of(&format!(
        "--sentinel-username u --sentinel-password-file {path}"
    ));
    assert!(both.password.matches(b"from file"));
    assert_eq!(both.username.as_deref(), Some("u"));
    let control = [("STEADFAST_CONTROL_PASSWORD", "c")];
    assert!(
        config("--control-username u", &control)
            .control_credentials
            .is_some()
    );
}

#[test]
fn unusable_password_files_are_refused() {
    check_refused("--password-file /no/such/file", &[], "/no/such/file");
    let (_file, path) = file(b"\n");
    check_refused(&format!("--control-password-file {path}"), &[], "is empty");
    let (_file, path) = file(&[b'x'; 4098]);
    check_refused(
        &format!("--sentinel-password-file {path}"),
        &[],
        "longer than",
    );
    check_refused("--username app", &[], "STEADFAST_PASSWORD");
    check_refused("--control-username app", &[], "--control-password-file");
}

#[test]
fn a_password_in_a_url_is_not_repeated() {
    let url = "redis://app:hunter2,x@s1:26379/0";
    let lists = [
        url,
        "s1,redis://:hunter2@s2",
        "hunter2@s3",
        "s1,s2/n?sentinel_password=hunter2",
    ];
    for bad in lists {
        let variables = [
            "STEADFAST_SENTINEL",
            "STEADFAST_LISTEN",
            "VALKEY_SENTINEL_HOST",
            "STEADFAST_ADMIN_LISTEN",
        ];
        for name in variables {
            let refusal = load_with("", &[(name, bad)]).expect_err(name);
            let text = format!("{refusal} {refusal:?}");
            assert!(!text.contains("hunter2"), "{name} {bad}: {text}");
        }
        for args in [
            format!("--sentinel {bad}"),
            format!("--listen={bad}"),
            bad.to_owned(),
        ] {
            let refusal = load_with(&args, &[]).expect_err(&args).to_string();
            assert!(!refusal.contains("hunter2"), "{args}: {refusal}");
        }
    }
    check_refused("--sentinel redis://:pw@s1", &[], "--sentinel-password-file");
}

#[test]
fn nothing_printed_of_the_settings_has_a_password_in_it() {
    let secrets = ["login-7", "client-7", "control-7", "sentinel-7"];
    let (_file, path) = file(secrets[0].as_bytes());
    let env = [
        ("STEADFAST_CLIENT_PASSWORD", secrets[1]),
        ("STEADFAST_CONTROL_PASSWORD", secrets[2]),
        ("STEADFAST_SENTINEL_PASSWORD", secrets[3]),
    ];
    let invocation = load_with(&format!("--password-file {path}"), &env).expect("usable");
    assert_eq!(invocation.config.passwords().len(), secrets.len());
    // As a panic would print it.
    let panics = std::panic::AssertUnwindSafe(|| panic!("{invocation:?}"));
    let panicked = std::panic::catch_unwind(panics).expect_err("a panic");
    let printed = panicked.downcast_ref::<String>().expect("its text");
    assert!(printed.contains("mymaster"), "{printed}");
    for secret in secrets {
        assert!(!printed.contains(secret), "{secret}: {printed}");
    }
}

#[test]
fn our_login_is_not_handed_to_the_network() {
    let login = [("STEADFAST_PASSWORD", "p")];
    for open in [
        "0.0.0.0:6379",
        "[::]:6379",
        "10.0.0.1:6379",
        "box:6379",
        "127.0.0.1:1,0.0.0.0:2",
    ] {
        let args = format!("--listen {open}");
        check_refused(&args, &login, "--client-password-file");
        config(&args, &[]);
        config(&args, &[login[0], ("STEADFAST_CLIENT_PASSWORD", "c")]);
        config(&format!("{args} --allow-unauthenticated-clients"), &login);
        let allowed = ("STEADFAST_ALLOW_UNAUTHENTICATED_CLIENTS", "yes");
        config(&args, &[login[0], allowed]);
        let refused = ("STEADFAST_ALLOW_UNAUTHENTICATED_CLIENTS", "0");
        check_refused(&args, &[login[0], refused], "--client-password-file");
    }
    for closed in [
        "127.0.0.1:6379",
        "[::1]:6379",
        "localhost:6379",
        "[::ffff:127.0.0.1]:1",
    ] {
        config(&format!("--listen {closed}"), &login);
    }
}

#[test]
fn a_client_password_without_a_login_would_protect_nothing() {
    let client = [("STEADFAST_CLIENT_PASSWORD", "c")];
    check_refused("", &client, "does not log in for clients");
}
