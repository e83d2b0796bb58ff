//! Unix sockets among the addresses to listen on.

use super::*;

#[test]
fn unix_sockets_are_listened_on_alone_or_beside_tcp() {
    let unix = |config: &Config| {
        config
            .listen_unix
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let alone = config("--listen unix:/run/a.sock", &[]);
    assert_eq!(addresses(&alone.listen), "");
    assert_eq!(unix(&alone), ["unix:/run/a.sock"]);
    assert_eq!(alone.socket_permissions.mode, 0o660);
    assert_eq!(alone.socket_permissions.owner, None);
    let variables = [
        ("STEADFAST_LISTEN", "unix:/a,127.0.0.1:1,unix:@b,unix:/a"),
        ("STEADFAST_PASSWORD", "p"),
    ];
    let beside = config("", &variables);
    assert_eq!(addresses(&beside.listen), "127.0.0.1:1");
    assert_eq!(unix(&beside), ["unix:/a", "unix:@b"]);
    let own = config(
        "--listen unix:/a --listen-unix-mode 600 --listen-unix-owner 7:8",
        &[],
    );
    let owner = Owner {
        user: Some(7),
        group: Some(8),
    };
    assert_eq!(
        own.socket_permissions,
        SocketPermissions {
            mode: 0o600,
            owner: Some(owner)
        }
    );
    check_refused(
        "--listen unix:@b --listen-unix-mode 600",
        &[],
        "has no permissions",
    );
    check_refused(
        "--listen unix:/a --listen-unix-owner no/body",
        &[],
        "no user or group",
    );
    check_refused(
        &format!("--listen unix:/{}", "x".repeat(107)),
        &[],
        "takes 107",
    );
}
