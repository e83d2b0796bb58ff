//! Who a session is and how it speaks: login, protocol, database, names, flags.

use super::stage::{Check, Row, SOON, Stage, after, is, ok, refused};
use crate::client::Client;

pub(super) const ROWS: &[Row] = &[
    ("a login", login),
    ("another user's login", other_user),
    ("a login that failed changes nothing", failed_login),
    ("a HELLO that failed changes nothing", failed_hello),
    ("a session that never logged in", stranger),
    ("a user who is no longer known", revoked),
    ("a protocol changed later", protocol),
    ("a database", database),
    ("a database that does not exist", no_database),
    ("a name", name),
    ("a name given with HELLO", hello_name),
    ("a library's name", library),
    ("CLIENT NO-EVICT", no_evict),
    ("CLIENT NO-TOUCH", no_touch),
    ("RESET", reset),
    ("QUIT", quit),
];

fn login(stage: &Stage) -> Check {
    let mut client = stage.client();
    ok(&client.call(&["SET", "matrix:login", "before"]));
    after(move |_| ok(&client.call(&["SET", "matrix:login", "after"])))
}

fn other_user(stage: &Stage) -> Check {
    let mut client = stage.user("app", "app-pw");
    is(&client.call(&["ACL", "WHOAMI"]), "app");
    after(move |_| is(&client.call(&["ACL", "WHOAMI"]), "app"))
}

fn failed_login(stage: &Stage) -> Check {
    let mut client = stage.user("app", "app-pw");
    refused(&client.call(&["AUTH", "app", "wrong"]), "WRONGPASS");
    after(move |_| is(&client.call(&["ACL", "WHOAMI"]), "app"))
}

fn failed_hello(stage: &Stage) -> Check {
    let mut client = stage.client();
    let other = if stage.protocol() == "2" { "3" } else { "2" };
    let hello = ["HELLO", other, "AUTH", "app", "wrong", "SETNAME", "no"];
    refused(&client.call(&hello), "WRONGPASS");
    refused(&client.call(&["HELLO", "9"]), "NOPROTO");
    let speaks = stage.protocol();
    after(move |_| {
        is(&client.call(&["ACL", "WHOAMI"]), "default");
        is(&client.call(&["CLIENT", "GETNAME"]), "");
        assert_eq!(spoken(&mut client), speaks);
    })
}

fn stranger(stage: &Stage) -> Check {
    let mut client = stage.stranger();
    refused(&client.call(&["GET", "k"]), "NOAUTH");
    after(move |_| refused(&client.call(&["GET", "k"]), "NOAUTH"))
}

fn revoked(stage: &Stage) -> Check {
    let mut client = stage.user("gone", "gone-pw");
    ok(&client.call(&["SET", "matrix:gone", "before"]));
    after(move |stage| {
        if stage.fails_over() {
            // It may notice by itself, or when it is asked.
            let _ = client.send(&["SET", "matrix:gone", "after"]);
            assert!(client.closed_within(SOON).is_some(), "it was let in");
            is(&stage.primary().command(&["GET", "matrix:gone"]), "before");
        } else {
            is(&client.call(&["ACL", "WHOAMI"]), "gone");
        }
    })
}

fn protocol(stage: &Stage) -> Check {
    let mut client = stage.client();
    let other = if stage.protocol() == "2" { "3" } else { "2" };
    assert_eq!(client.call(&["HELLO", other]).error(), None);
    assert_eq!(client.call(&["HELLO"]).error(), None);
    assert_eq!(spoken(&mut client), other);
    after(move |_| {
        assert_eq!(spoken(&mut client), other);
        is(&client.call(&["ACL", "WHOAMI"]), "default");
    })
}

/// Which protocol the replies are in: a null tells.
fn spoken(client: &mut Client) -> &'static str {
    client.call(&["GET", "matrix:nowhere"]);
    if client.raw() == b"_\r\n" { "3" } else { "2" }
}

fn database(stage: &Stage) -> Check {
    let mut client = stage.client();
    ok(&client.call(&["SELECT", "3"]));
    ok(&client.call(&["SET", "matrix:db", "three"]));
    after(move |stage| {
        is(&client.call(&["GET", "matrix:db"]), "three");
        is(&stage.client().call(&["GET", "matrix:db"]), "");
    })
}

fn no_database(stage: &Stage) -> Check {
    let mut client = stage.client();
    ok(&client.call(&["SELECT", "4"]));
    ok(&client.call(&["SET", "matrix:db4", "four"]));
    refused(&client.call(&["SELECT", "9999"]), "ERR");
    after(move |_| is(&client.call(&["GET", "matrix:db4"]), "four"))
}

fn name(stage: &Stage) -> Check {
    let mut client = stage.client();
    ok(&client.call(&["CLIENT", "SETNAME", "matrix-name"]));
    refused(&client.call(&["CLIENT", "SETNAME", "no good"]), "ERR");
    after(move |stage| {
        is(&client.call(&["CLIENT", "GETNAME"]), "matrix-name");
        let list = stage.primary().command(&["CLIENT", "LIST"]).text();
        assert!(list.contains(" name=matrix-name "), "{list}");
    })
}

fn hello_name(stage: &Stage) -> Check {
    let mut client = stage.client();
    let hello = client.call(&["HELLO", stage.protocol(), "SETNAME", "matrix-hello"]);
    assert_eq!(hello.error(), None);
    after(move |_| is(&client.call(&["CLIENT", "GETNAME"]), "matrix-hello"))
}

fn library(stage: &Stage) -> Check {
    let mut client = stage.client();
    let known = client.call(&["CLIENT", "SETINFO", "LIB-NAME", "matrix-lib"]);
    after(move |_| {
        let info = client.call(&["CLIENT", "INFO"]).text();
        assert_eq!(
            info.contains("lib-name=matrix-lib"),
            known.is_ok(),
            "{info}"
        );
    })
}

fn no_evict(stage: &Stage) -> Check {
    let mut client = stage.client();
    ok(&client.call(&["CLIENT", "NO-EVICT", "ON"]));
    after(move |_| assert!(flags(&mut client).contains('e')))
}

fn no_touch(stage: &Stage) -> Check {
    let mut client = stage.client();
    // Known from 7.2 on.
    let known = client.call(&["CLIENT", "NO-TOUCH", "ON"]).is_ok();
    after(move |_| assert_eq!(flags(&mut client).contains('T'), known))
}

/// The flags of this session's own link.
fn flags(client: &mut Client) -> String {
    let info = client.call(&["CLIENT", "INFO"]).text();
    let flags = info
        .split(' ')
        .find_map(|field| field.strip_prefix("flags="));
    flags.unwrap_or_default().to_owned()
}

fn reset(stage: &Stage) -> Check {
    let mut client = stage.client();
    ok(&client.call(&["SELECT", "5"]));
    ok(&client.call(&["CLIENT", "SETNAME", "matrix-reset"]));
    is(&client.call(&["RESET"]), "RESET");
    after(move |stage| {
        refused(&client.call(&["GET", "k"]), "NOAUTH");
        ok(&client.call(&["AUTH", "secret"]));
        assert_eq!(spoken(&mut client), "2");
        is(&client.call(&["CLIENT", "GETNAME"]), "");
        ok(&client.call(&["SET", "matrix:reset", "zero"]));
        is(&stage.client().call(&["GET", "matrix:reset"]), "zero");
    })
}

fn quit(stage: &Stage) -> Check {
    let mut client = stage.client();
    ok(&client.call(&["SET", "matrix:quit", "1"]));
    after(move |_| {
        ok(&client.call(&["QUIT"]));
        assert!(client.closed_within(SOON).is_some());
    })
}
