//! Rights are those of the connection a client would have had: links are shared only by clients the
//! server has let in with the same name and password.

use super::{SOON, connections, sharing};
use crate::bed::{Bed, wait_until};
use crate::client::Client;
use crate::proxy::Proxy;

fn bed() -> Bed {
    Bed::builder()
        .replicas(0)
        .sentinels(1)
        .down_after(60_000)
        .user("ann", "on >ann1 ~a:* +@all")
        .user("bob", "on >bob1 ~b:* +@all")
        .start()
}

/// Nobody is let in without a password.
fn locked() -> Bed {
    Bed::builder()
        .replicas(0)
        .sentinels(1)
        .down_after(60_000)
        .requirepass("secret")
        .start()
}

fn proxy(bed: &Bed) -> Proxy {
    sharing(bed).flag("--workers", "1").start_ready()
}

#[track_caller]
fn is_ann(client: &mut Client) {
    assert!(client.call(&["SET", "a:k", "v"]).is_ok());
    assert!(refuses(client, "b:k"), "the rights of bob");
}

#[track_caller]
fn is_bob(client: &mut Client) {
    assert!(client.call(&["SET", "b:k", "v"]).is_ok());
    assert!(refuses(client, "a:k"), "the rights of ann");
}

#[track_caller]
fn is_default(client: &mut Client) {
    for key in ["a:k", "b:k", "other"] {
        assert!(client.call(&["SET", key, "v"]).is_ok(), "{key}");
    }
}

fn refuses(client: &mut Client, key: &str) -> bool {
    let reply = client.call(&["SET", key, "v"]);
    reply.error().is_some_and(|text| text.starts_with("NOPERM"))
}

#[test]
fn two_users_on_one_worker_never_have_each_others_rights() {
    let bed = bed();
    let proxy = proxy(&bed);
    let (mut ann, mut bob) = (proxy.connect(), proxy.connect());
    let mut nobody = proxy.connect();
    assert!(ann.call(&["AUTH", "ann", "ann1"]).is_ok());
    assert_eq!(
        bob.call(&["HELLO", "3", "AUTH", "bob", "bob1"]).fields()["proto"],
        "3"
    );
    for _ in 0..20 {
        is_ann(&mut ann);
        is_bob(&mut bob);
        is_default(&mut nobody);
    }
    // A login that fails changes nothing.
    assert!(ann.call(&["AUTH", "bob", "wrong"]).error().is_some());
    is_ann(&mut ann);
    assert!(
        bob.call(&["HELLO", "3", "AUTH", "ann", "wrong"])
            .error()
            .is_some()
    );
    is_bob(&mut bob);
    assert!(nobody.call(&["AUTH", "ann", "bob1"]).error().is_some());
    is_default(&mut nobody);
    // One that succeeds changes it for this client alone.
    assert!(ann.call(&["AUTH", "bob", "bob1"]).is_ok());
    is_bob(&mut ann);
    is_bob(&mut bob);
    assert_eq!(bob.call(&["RESET"]).text(), "RESET");
    is_default(&mut bob);
    assert!(bob.call(&["AUTH", "ann", "ann1"]).is_ok());
    is_ann(&mut bob);
    is_bob(&mut ann);
    is_default(&mut nobody);
}

#[test]
fn every_login_is_the_servers_to_judge() {
    let bed = bed();
    let proxy = proxy(&bed);
    let mut before = proxy.connect();
    assert!(before.call(&["AUTH", "ann", "ann1"]).is_ok());
    is_ann(&mut before);
    let change = ["ACL", "SETUSER", "ann", ">ann2", "<ann1"];
    assert!(bed.server(0).command(&change).is_ok());
    let mut after = proxy.connect();
    assert!(
        after.call(&["AUTH", "ann", "ann1"]).error().is_some(),
        "the old password"
    );
    is_default(&mut after);
    assert!(after.call(&["AUTH", "ann", "ann2"]).is_ok());
    is_ann(&mut after);
    // Who was let in before stays, as it would on a connection of its own.
    is_ann(&mut before);
    // Rights that are taken away are gone at once.
    let narrow = ["ACL", "SETUSER", "ann", "-set"];
    assert!(bed.server(0).command(&narrow).is_ok());
    assert!(refuses(&mut before, "a:k") && refuses(&mut after, "a:k"));
}

#[test]
fn a_user_that_is_deleted_is_out_and_others_stay() {
    let bed = bed();
    let proxy = proxy(&bed);
    let (mut ann, mut bob) = (proxy.connect(), proxy.connect());
    assert!(ann.call(&["AUTH", "ann", "ann1"]).is_ok());
    assert!(bob.call(&["AUTH", "bob", "bob1"]).is_ok());
    is_ann(&mut ann);
    is_bob(&mut bob);
    assert_eq!(
        bed.server(0).command(&["ACL", "DELUSER", "ann"]).text(),
        "1"
    );
    wait_until(SOON, "ann is closed", || {
        ann.try_call(&["GET", "a:k"]).is_err()
    });
    is_bob(&mut bob);
}

#[test]
fn who_is_not_logged_in_is_told_so_and_harms_nobody() {
    let bed = locked();
    let proxy = proxy(&bed);
    let mut inside = proxy.connect();
    assert!(inside.call(&["AUTH", "secret"]).is_ok());
    let mut outside = proxy.connect();
    for _ in 0..5 {
        let told = outside.call(&["GET", "k"]);
        assert!(
            told.error().is_some_and(|text| text.starts_with("NOAUTH")),
            "{told:?}"
        );
        assert!(inside.call(&["SET", "k", "v"]).is_ok());
    }
    // More arguments than a server takes from who is not logged in.
    let mut many = vec!["MSET"];
    many.extend(["k", "v"].repeat(20));
    assert!(
        outside
            .try_call(&many)
            .map_or(true, |reply| reply.error().is_some())
    );
    assert_eq!(inside.call(&["GET", "k"]).text(), "v");
}

#[test]
fn who_is_not_logged_in_is_told_so_where_nothing_is_held() {
    let bed = locked();
    let proxy = sharing(&bed)
        .flag("--workers", "1")
        .flag("--hold-timeout", "0s")
        .start_ready();
    for _ in 0..5 {
        // No shared link is there, and none will be; that is not what it is told.
        let told = proxy.connect().call(&["GET", "k"]);
        assert!(
            told.error().is_some_and(|text| text.starts_with("NOAUTH")),
            "{told:?}"
        );
    }
}

#[test]
fn who_comes_after_a_password_was_set_has_to_give_it() {
    let bed = bed();
    let proxy = proxy(&bed);
    let mut inside = proxy.connect();
    is_default(&mut inside);
    // So that a link of its own lies ready as well.
    assert!(proxy.connect().call(&["CLIENT", "SETNAME", "x"]).is_ok());
    let mut admin = bed.server(0).connect();
    let set = |admin: &mut Client, password: &str| {
        assert!(
            admin
                .call(&["CONFIG", "SET", "requirepass", password])
                .is_ok()
        );
    };
    set(&mut admin, "secret");
    let told = |client: &mut Client, args: &[&str]| {
        let reply = client.call(args);
        reply.error().is_some_and(|text| text.starts_with("NOAUTH"))
    };
    // The server's word that strangers are welcome is believed for a second.
    wait_until(SOON, "strangers are kept out", || {
        told(&mut proxy.connect(), &["GET", "k"])
    });
    let ways: [&[&str]; 4] = [
        &["GET", "k"],
        &["SELECT", "3"],
        &["CLIENT", "SETNAME", "x"],
        &["EVAL", "return 1", "0"],
    ];
    for _ in 0..5 {
        for way in ways {
            assert!(told(&mut proxy.connect(), way), "{way:?}");
            let mut reset = proxy.connect();
            assert_eq!(reset.call(&["RESET"]).text(), "RESET");
            assert!(told(&mut reset, way), "{way:?} after RESET");
        }
        // Who was let in before stays, as it would on a connection of its own.
        is_default(&mut inside);
        let mut member = proxy.connect();
        assert!(member.call(&["AUTH", "secret"]).is_ok());
        is_default(&mut member);
    }
    set(&mut admin, "");
    is_default(&mut proxy.connect());
}

#[test]
fn more_users_than_links_can_be_shared_for_are_served_all_the_same() {
    const USERS: usize = 80;
    let bed = bed();
    let proxy = proxy(&bed);
    let mut admin = bed.server(0).connect();
    let mut clients: Vec<_> = (0..USERS)
        .map(|nth| {
            let (name, password) = (format!("user-{nth}"), format!(">pass-{nth}"));
            let keys = format!("~{nth}:*");
            let user = ["ACL", "SETUSER", &name, "on", &password, &keys, "+@all"];
            assert!(admin.call(&user).is_ok());
            let mut client = proxy.connect();
            assert!(client.call(&["AUTH", &name, &password[1..]]).is_ok());
            client
        })
        .collect();
    for round in 0..3 {
        for (nth, client) in clients.iter_mut().enumerate() {
            assert!(client.call(&["SET", &format!("{nth}:k"), "v"]).is_ok());
            let other = (nth + 1) % USERS;
            assert!(
                refuses(client, &format!("{other}:k")),
                "{nth} in round {round}"
            );
        }
    }
    // 64 keys and 64 links given back for each worker, of which there is one.
    let count = connections(bed.server(0));
    assert!(count <= 64 + USERS - 64 + 10, "{count} connections");
}
