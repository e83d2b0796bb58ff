//! The admin port at a Unix socket: asked by our own subcommands, and told what to do by whoever may
//! write to the file.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;

use super::{SOON, said};
use crate::bed::{Bed, Process, wait_until};
use crate::proxy::{program, run_to_end};

/// A process in front of `bed` with its admin port at `admin`.
fn start(bed: &Bed, admin: &str) -> Process {
    let sentinel = bed.sentinel(0).addr().to_string();
    let mut command = program();
    command
        .args(["run", "--listen", "127.0.0.1:0", "--sentinel", &sentinel])
        .args(["--admin-listen", admin, "--admin-actions", "on"])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    Process::spawn(&mut command).unwrap()
}

/// `POST path`: the first line of the answer.
fn post(file: &Path, path: &str) -> String {
    let mut stream = UnixStream::connect(file).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let request = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn it_is_asked_and_told_by_a_file_of_this_user_and_the_file_goes() {
    let bed = Bed::lonely();
    let file = bed.dir().join("admin.sock");
    let admin = format!("unix:{}", file.display());
    let process = start(&bed, &admin);
    let ask = |args: &[&str]| said(&run_to_end(&[args, &["--admin-listen", &admin]].concat()));
    wait_until(SOON, "it is ready", || {
        ask(&["healthcheck", "--ready"]).0 == Some(0)
    });
    let mode = fs::symlink_metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (code, out, err) = ask(&["status"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains(&bed.primary().addr().to_string()), "{out}");

    assert_eq!(post(&file, "/loglevel?level=warn"), "HTTP/1.1 202 Accepted");
    assert_eq!(post(&file, "/drain"), "HTTP/1.1 202 Accepted");
    let status = process.wait(SOON).expect("it drains");
    assert_eq!(status.code(), Some(0));
    assert!(!file.exists(), "the file is left");
    let (code, _, err) = ask(&["healthcheck"]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains(&admin), "{err}");
}

#[test]
fn a_name_without_a_file_will_do() {
    let bed = Bed::lonely();
    let admin = format!("unix:@steadfast-admin-{}", bed.primary().port());
    let _process = start(&bed, &admin);
    wait_until(SOON, "it is live", || {
        let (code, ..) = said(&run_to_end(&["healthcheck", "--admin-listen", &admin]));
        code == Some(0)
    });
}

#[test]
fn what_is_in_the_way_is_told_with_the_flag() {
    let bed = Bed::lonely();
    let file = bed.dir().join("no-socket");
    fs::write(&file, "").unwrap();
    let admin = format!("unix:{}", file.display());
    let (code, _, err) = said(&run_to_end(&[
        "run",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        &admin,
    ]));
    assert_eq!(code, Some(69), "{err}");
    assert!(
        err.contains(&admin) && err.contains("--admin-listen"),
        "{err}"
    );
}
