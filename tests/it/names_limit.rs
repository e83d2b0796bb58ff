//! Goal: what is remembered of a subscriber is bounded, and said so. Method: more names than that.

use crate::bed::Bed;
use crate::client::{Client, command};
use crate::proxy::Proxy;

/// Names of 1000 bytes; 4096 KiB of them are remembered.
fn subscribe(client: &mut Client, from: usize, count: usize) -> Option<String> {
    for n in from..from + count {
        let name = format!("{n:01000}");
        let reply = client.call(&["SUBSCRIBE", &name]);
        if let Some(error) = reply.error() {
            return Some(error.to_owned());
        }
    }
    None
}

#[test]
fn names_beyond_the_limit_are_refused_and_the_others_stay() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    assert_eq!(subscribe(&mut client, 0, 3900), None);
    let error = subscribe(&mut client, 3900, 300).expect("too many");
    assert!(
        error.starts_with("ERR steadfast: too many names"),
        "{error}"
    );
    let name = format!("{:01000}", 7);
    let heard = bed.primary().command(&["PUBLISH", &name, "hello"]);
    assert_eq!(heard, crate::value::Value::Int(1));
    assert_eq!(client.reply().unwrap().at(2), "hello");
    let name = format!("{:01000}", 5000);
    let heard = bed.primary().command(&["PUBLISH", &name, "hello"]);
    assert_eq!(heard, crate::value::Value::Int(0), "never sent");
}

#[test]
fn a_pipeline_of_subscribes_is_no_way_around_it() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    let names = |n: usize| command(&["SUBSCRIBE", &format!("{n:01000}")]);
    let bytes: Vec<u8> = (0..4400).flat_map(names).collect();
    client.send_raw(&bytes).unwrap();
    let refused = (0..4400).filter(|_| client.reply().unwrap().error().is_some());
    assert!(refused.count() > 200);
}
