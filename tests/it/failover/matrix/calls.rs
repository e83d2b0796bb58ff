//! How replies are given: silenced, streamed, or to a request that was half sent.

use super::stage::{Check, Row, SOON, Stage, after, is, ok};
use crate::bed::wait_until;
use crate::client::command;

pub(super) const ROWS: &[Row] = &[
    ("CLIENT REPLY OFF", reply_off),
    ("CLIENT REPLY SKIP", reply_skip),
    ("CLIENT REPLY ON again", reply_on),
    ("MONITOR", monitor),
    ("a write cut at every byte", cut_write),
    ("a pipeline", pipeline),
];

fn reply_off(stage: &Stage) -> Check {
    let mut client = stage.client();
    client.send(&["CLIENT", "REPLY", "OFF"]).unwrap();
    client.send(&["SET", "matrix:off", "before"]).unwrap();
    wait_until(SOON, "the silent write is done", || {
        stage.primary().command(&["GET", "matrix:off"]).text() == "before"
    });
    after(move |stage| {
        client.send(&["INCR", "matrix:off:count"]).unwrap();
        client.send(&["CLIENT", "REPLY", "ON"]).unwrap();
        ok(&client.reply().unwrap());
        is(&client.call(&["ECHO", "heard"]), "heard");
        is(&stage.primary().command(&["GET", "matrix:off:count"]), "1");
    })
}

fn reply_skip(stage: &Stage) -> Check {
    let mut client = stage.client();
    is(&client.call(&["ECHO", "here"]), "here");
    client.send(&["CLIENT", "REPLY", "SKIP"]).unwrap();
    // Nothing tells that the skip has arrived, except that what follows on the wire is not heard.
    client.send_raw(b"*2\r\n$4\r\nINCR\r\n").unwrap();
    after(move |stage| {
        client.send_raw(b"$11\r\nmatrix:skip\r\n").unwrap();
        is(&client.call(&["ECHO", "heard"]), "heard");
        is(&stage.primary().command(&["GET", "matrix:skip"]), "1");
    })
}

fn reply_on(stage: &Stage) -> Check {
    let mut client = stage.client();
    client.send(&["CLIENT", "REPLY", "OFF"]).unwrap();
    ok(&client.call(&["CLIENT", "REPLY", "ON"]));
    after(move |_| is(&client.call(&["ECHO", "heard"]), "heard"))
}

fn monitor(stage: &Stage) -> Check {
    let mut client = stage.client();
    ok(&client.call(&["MONITOR"]));
    after(move |stage| {
        let mut marked = 0;
        wait_until(SOON, "the monitor goes on", || {
            marked += 1;
            let marker = format!("matrix:monitor:{marked}");
            stage.primary().command(&["ECHO", &marker]);
            let wanted = format!("\"{marker}\"");
            while let Ok(line) = client.reply_within(super::stage::BRIEF) {
                assert_ne!(line.text(), "OK", "a confirmation that nobody asked for");
                if line.text().contains(&wanted) {
                    return true;
                }
            }
            false
        });
    })
}

/// What was begun before the loss is one command after it, executed once.
fn cut_write(stage: &Stage) -> Check {
    let whole = |cut: usize| command(&["INCR", &format!("matrix:cut:{cut}")]);
    let cuts = 1..whole(10).len();
    let mut clients: Vec<_> = cuts.clone().map(|_| stage.client()).collect();
    for (client, cut) in clients.iter_mut().zip(cuts.clone()) {
        let whole = whole(cut);
        client.send_raw(&whole[..cut.min(whole.len() - 1)]).unwrap();
    }
    after(move |stage| {
        for (client, cut) in clients.iter_mut().zip(cuts) {
            let whole = whole(cut);
            client.send_raw(&whole[cut.min(whole.len() - 1)..]).unwrap();
            is(&client.reply().unwrap(), "1");
            let key = format!("matrix:cut:{cut}");
            is(&stage.primary().command(&["GET", &key]), "1");
        }
    })
}

fn pipeline(stage: &Stage) -> Check {
    let mut client = stage.client();
    is(&client.call(&["INCR", "matrix:pipeline"]), "1");
    after(move |_| {
        let batch: Vec<_> = (0..50)
            .flat_map(|_| command(&["INCR", "matrix:pipeline"]))
            .collect();
        client.send_raw(&batch).unwrap();
        for expected in 2..52 {
            is(&client.reply().unwrap(), &expected.to_string());
        }
    })
}
