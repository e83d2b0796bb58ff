//! The file: who may connect, what is taken over, what is left alone, and that it goes.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::bed::{Bed, Process, eventually, free_port, wait_until};
use crate::client::Client;
use crate::partition::is_root;
use crate::proxy::{Proxy, program, run_to_end};

use super::{at, cli, connect, directory, listen};

const SOON: Duration = Duration::from_secs(60);
/// The user that owns nothing.
const NOBODY: u32 = 65_534;

/// A proxy without a primary: enough to look at its file.
fn idle() -> crate::proxy::Builder {
    let nowhere = [format!("127.0.0.1:{}", free_port())];
    Proxy::of(&nowhere, "mymaster").flag("--hold-timeout", "0s")
}

/// Exit 69, and these words.
#[track_caller]
fn check_refused(path: &Path, because: &str) {
    let listen = listen(path);
    let output = run_to_end(&["run", "--listen", &listen, "--admin-listen", "off"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{text}");
    assert!(text.contains(because) && text.contains(&listen), "{text}");
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Whether a user who is nobody in particular gets an answer.
fn serves_anybody(path: &Path) -> bool {
    let output = cli(path)
        .args(["ECHO", "hello"])
        .uid(NOBODY)
        .gid(NOBODY)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    !String::from_utf8_lossy(&output.stderr).contains("Permission denied")
        && !output.stdout.is_empty()
}

#[test]
fn who_may_connect_is_said_by_the_mode() {
    for (flag, expected, anybody) in [
        (None, 0o660, false),
        (Some("600"), 0o600, false),
        (Some("0666"), 0o666, true),
    ] {
        let (_dir, path) = directory();
        let proxy = at(idle(), &path);
        let proxy = match flag {
            Some(flag) => proxy.flag("--listen-unix-mode", flag),
            None => proxy,
        };
        let _proxy = proxy.start();
        assert_eq!(mode(&path), expected);
        connect(&path);
        // Root gives up its rights here; others could not take those of another user.
        if is_root() {
            assert_eq!(serves_anybody(&path), anybody, "{expected:o}");
        }
    }
}

#[test]
fn the_file_is_given_to_its_owner() {
    let (_dir, path) = directory();
    let own = fs::metadata(path.parent().unwrap()).unwrap();
    let (user, group) = if is_root() {
        (NOBODY, NOBODY)
    } else {
        (own.uid(), own.gid())
    };
    let _proxy = at(idle(), &path)
        .flag("--listen-unix-owner", format!("{user}:{group}"))
        .start();
    let file = fs::symlink_metadata(&path).unwrap();
    assert_eq!((file.uid(), file.gid()), (user, group));
    assert_eq!(mode(&path), 0o660);
    if is_root() {
        assert!(serves_anybody(&path), "it is theirs");
    }
}

#[test]
fn the_file_goes_with_sigterm() {
    let (_dir, path) = directory();
    let proxy = at(idle(), &path).start();
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
    proxy.terminate();
    assert_eq!(proxy.exit_code(SOON), Some(0));
    assert!(fs::symlink_metadata(&path).is_err(), "nothing is left");
}

#[test]
fn what_a_killed_process_left_is_taken_over() {
    let bed = Bed::lonely();
    let (_dir, path) = directory();
    drop(at(idle(), &path).start());
    assert!(UnixStream::connect(&path).is_err(), "nobody answers");
    assert!(fs::symlink_metadata(&path).is_ok(), "the file is there");
    let proxy = at(Proxy::for_bed(&bed), &path).start_ready();
    assert_eq!(proxy.events("stale_socket_removed").len(), 1);
    assert_eq!(connect(&path).call(&["PING"]).text(), "PONG");
}

#[test]
fn somebody_who_answers_stays() {
    let bed = Bed::lonely();
    let (_dir, path) = directory();
    let proxy = at(Proxy::for_bed(&bed), &path).start_ready();
    check_refused(&path, "somebody answers there");
    assert_eq!(connect(&path).call(&["PING"]).text(), "PONG");
    // Also one that is too slow to say so.
    proxy.freeze();
    check_refused(&path, "somebody answers there");
    proxy.thaw();
    assert_eq!(connect(&path).call(&["PING"]).text(), "PONG");
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let (dir, path) = directory();
    fs::write(&path, "precious").unwrap();
    check_refused(&path, "no socket");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");

    let link = dir.path().join("link");
    let elsewhere = dir.path().join("elsewhere");
    drop(UnixListener::bind(&elsewhere).unwrap());
    symlink(&elsewhere, &link).unwrap();
    check_refused(&link, "no socket");
    assert!(fs::symlink_metadata(&elsewhere).is_ok());

    check_refused(&dir.path().join("missing/a.sock"), "does not exist");
    check_refused(dir.path(), "no socket");
}

#[test]
fn a_file_that_is_somebody_elses_by_then_stays() {
    let (_dir, path) = directory();
    let proxy = at(idle(), &path).start();
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    proxy.terminate();
    assert_eq!(proxy.exit_code(SOON), Some(0));
    assert!(
        UnixStream::connect(&path).is_ok(),
        "the other still answers"
    );
}

/// A process that is to listen there alone, whatever becomes of it.
fn begin(path: &Path) -> Process {
    let nowhere = format!("127.0.0.1:{}", free_port());
    let mut command = program();
    command
        .args(["run", "--listen", &listen(path), "--sentinel", &nowhere])
        .args(["--admin-listen", "off", "--hold-timeout", "0s"])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    Process::spawn(&mut command).unwrap()
}

fn has_open(process: &Process, path: &Path) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{}/fd", process.pid())) else {
        return false;
    };
    let links = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links.into_iter().any(|link| link == path)
}

/// Between bind and listen a socket looks like one that was left behind.
#[test]
fn what_is_about_to_be_listened_on_is_not_taken_for_left_behind() {
    let (dir, path) = directory();
    let turn = fs::File::open(dir.path()).unwrap();
    turn.lock().unwrap();
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    socket.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    assert!(UnixStream::connect(&path).is_err());
    let late = begin(&path);
    wait_until(SOON, "it waits for its turn", || {
        has_open(&late, dir.path())
    });
    socket.listen(1).unwrap();
    turn.unlock().unwrap();
    let code = late.wait(SOON).and_then(|status| status.code());
    assert_eq!(code, Some(69));
    assert!(UnixStream::connect(&path).is_ok(), "ours still answers");
}

/// Several begin at the same moment, on what a killed process left: one gets it, the others are told.
#[test]
fn of_several_that_start_at_once_one_listens() {
    const ROUNDS: usize = 5;
    for _ in 0..ROUNDS {
        let (_dir, path) = directory();
        drop(UnixListener::bind(&path).unwrap());
        let all: Vec<_> = (0..4).map(|_| begin(&path)).collect();
        let codes = || all.iter().filter_map(Process::exited);
        wait_until(SOON, "all but one have ended", || codes().count() >= 3);
        let reply = eventually(SOON, "the one that is left answers", || {
            Client::try_connect_unix(&path)
                .ok()?
                .try_call(&["PING"])
                .ok()
        });
        assert!(
            reply
                .error()
                .is_some_and(|text| text.starts_with("MASTERDOWN"))
        );
        assert_eq!(codes().filter(|code| code.code() == Some(69)).count(), 3);
    }
}

#[test]
fn a_name_needs_no_file() {
    let name = format!("steadfast-test-{}", std::process::id());
    let proxy = idle().flag("--listen", format!("unix:@{name}")).start();
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let mut client = Client::of_unix(UnixStream::connect_addr(&address).unwrap()).unwrap();
    assert!(client.call(&["PING"]).error().is_some(), "no primary");
    let listen = format!("unix:@{name}");
    let output = run_to_end(&["run", "--listen", &listen, "--admin-listen", "off"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{text}");
    assert!(text.contains("somebody answers there"), "{text}");
    assert!(proxy.is_alive());
}

#[test]
fn a_path_that_is_too_long_is_told_before_anything_is_done() {
    let listen = format!("unix:/{}", "x".repeat(107));
    let output = run_to_end(&["run", "--listen", &listen]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(64), "{text}");
    assert!(text.contains("108 bytes"), "{text}");
}
