//! redis-rs, as it is, by both of its names for a connection under TLS.

use std::fs;

use redis::{ClientTlsConfig, Commands, Connection, RedisError, TlsCertificates};

use super::all_legs;
use crate::bed::Bed;
use crate::pki::Secured;
use crate::proxy::Proxy;

/// What its URLs begin with, and the versions of RESP they may ask for.
const SCHEMES: [&str; 2] = ["rediss", "valkeys"];
const PROTOCOLS: [&str; 2] = ["resp2", "resp3"];
/// A value of many records.
const LARGE: usize = 3_000_000;

/// A connection that believes the CA of the test, and shows a certificate where it is to.
fn connect(url: &str, by: &Secured, shows: bool) -> Result<Connection, RedisError> {
    let identity = || ClientTlsConfig {
        client_cert: fs::read(&by.nodes.cert).unwrap(),
        client_key: fs::read(&by.nodes.key).unwrap(),
    };
    let certificates = TlsCertificates {
        client_tls: shows.then(identity),
        root_cert: Some(fs::read(by.pki.ca()).unwrap()),
    };
    redis::Client::build_with_tls(url, certificates)?.get_connection()
}

/// What an application does: values, a pipeline, a transaction, a subscription.
fn converse(connection: &mut Connection, listener: Connection) -> Result<(), RedisError> {
    let large = "x".repeat(LARGE);
    connection.set::<_, _, ()>("rs:a", "wert")?;
    assert_eq!(connection.get::<_, String>("rs:a")?, "wert");
    connection.set::<_, _, ()>("rs:large", &large)?;
    assert!(connection.get::<_, String>("rs:large")? == large);
    let mut pipe = redis::pipe();
    (0..500).for_each(|_| {
        pipe.incr("rs:n", 1);
    });
    let counted: Vec<i64> = pipe.query(connection)?;
    assert_eq!(counted, (1..=500).collect::<Vec<_>>());
    let mut both = redis::pipe();
    both.atomic().incr("rs:n", 1).del("rs:n");
    assert_eq!(both.query::<(i64, i64)>(connection)?, (501, 1));
    let mut listener = listener;
    let mut feed = listener.as_pubsub();
    feed.subscribe("rs:news")?;
    assert_eq!(connection.publish::<_, _, i64>("rs:news", "hello")?, 1);
    assert_eq!(feed.get_message()?.get_payload::<String>()?, "hello");
    Ok(())
}

#[test]
fn it_connects_by_rediss_and_by_valkeys() {
    let by = Secured::new();
    let bed = Bed::builder().replicas(0).sentinels(1).secured(&by).start();
    let proxy = all_legs(Proxy::for_bed(&bed), &by).start_ready();
    let address = proxy.listeners("clients_tls")[0];
    for scheme in SCHEMES {
        for protocol in PROTOCOLS {
            let url = format!("{scheme}://{address}/0?protocol={protocol}");
            let mut connection = connect(&url, &by, true).unwrap();
            let listener = connect(&url, &by, true).unwrap();
            converse(&mut connection, listener).unwrap_or_else(|error| panic!("{url}: {error}"));
        }
        // The listener asks for a certificate; with TLS 1.3 its refusal comes with the first reply.
        let url = format!("{scheme}://{address}/0");
        let asked = connect(&url, &by, false).and_then(|mut it| it.get::<_, Option<String>>("a"));
        assert!(asked.is_err(), "{url} without a certificate: {asked:?}");
    }
}
