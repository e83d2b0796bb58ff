use super::*;

fn frame(line: &str) -> Vec<u8> {
    let words: Vec<_> = line.split(' ').collect();
    let mut frame = format!("*{}\r\n", words.len());
    for word in words {
        frame.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    frame.into_bytes()
}

fn learned(lines: &[&str]) -> Vec<String> {
    let mut settings = Settings::default();
    for line in lines {
        settings.learn(&frame(line));
    }
    let text = |wish: &Wish| {
        let words: Vec<_> = Args::new(wish.frame())
            .map(String::from_utf8_lossy)
            .collect();
        words.join(" ")
    };
    settings.wishes().iter().map(text).collect()
}

#[test]
fn keeps_the_last_of_each_in_order() {
    let lines = ["SELECT 3", "CLIENT SETNAME a", "SELECT 5"];
    assert_eq!(learned(&lines), ["CLIENT SETNAME a", "SELECT 5"]);
    let lines = ["CLIENT NO-EVICT on", "CLIENT NO-EVICT OFF", "GET x"];
    assert!(learned(&lines).is_empty());
    let lines = ["CLIENT TRACKING ON BCAST", "CLIENT TRACKING off"];
    assert!(learned(&lines).is_empty());
}

#[test]
fn a_hello_takes_the_place_of_what_it_repeats() {
    let lines = [
        "AUTH old",
        "CLIENT SETNAME a",
        "HELLO 3 AUTH u p SETNAME b",
        "CLIENT SETINFO LIB-NAME l",
    ];
    let kept = ["HELLO 3 AUTH u p SETNAME b", "CLIENT SETINFO LIB-NAME l"];
    assert_eq!(learned(&lines), kept);
    let lines = ["HELLO 3 AUTH u p", "HELLO 2"];
    assert_eq!(learned(&lines), ["HELLO 3 AUTH u p", "HELLO 2"]);
    assert_eq!(learned(&["HELLO 3", "HELLO"]), ["HELLO 3"]);
}

#[test]
fn the_last_login_comes_first_and_is_the_only_one() {
    let lines = ["AUTH old", "SELECT 3", "HELLO 3", "AUTH new"];
    assert_eq!(learned(&lines), ["AUTH new", "SELECT 3", "HELLO 3"]);
    let lines = ["SELECT 3", "HELLO 3 AUTH u p"];
    assert_eq!(learned(&lines), ["HELLO 3 AUTH u p", "SELECT 3"]);
    let lines = ["HELLO 3 AUTH u p SETNAME n", "SELECT 3", "AUTH v q"];
    let kept = ["AUTH v q", "HELLO 3 SETNAME n", "SELECT 3"];
    assert_eq!(learned(&lines), kept);
}

#[test]
fn a_reset_leaves_the_library() {
    let lines = [
        "AUTH x",
        "SELECT 1",
        "CLIENT SETINFO LIB-VER 1",
        "CLIENT SETINFO lib-name y",
        "RESET",
    ];
    let kept = ["CLIENT SETINFO LIB-VER 1", "CLIENT SETINFO lib-name y"];
    assert_eq!(learned(&lines), kept);
}

#[test]
fn passwords_are_not_printed() {
    let mut settings = Settings::default();
    settings.learn(&frame("AUTH s3cret"));
    assert!(!format!("{settings:?}").contains("s3cret"));
}
