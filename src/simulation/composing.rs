//! What a client sends in one go, and what it expects for it.

use super::chance::Chance;
use super::ledger::{Ledger, Sent};
use super::words::bulks;

/// What a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Set,
    Incr,
    Push,
    Pop,
    BlockingPop,
    Publish,
    Get,
    Multi,
    Queued,
    Exec,
    Watch,
}

impl Word {
    /// Whether it may have an effect.
    pub(super) fn is_write(self) -> bool {
        !matches!(self, Self::Get | Self::Watch)
    }

    /// Whether its effect stays in the data.
    pub(super) fn is_stored(self) -> bool {
        self.is_write() && self != Self::Publish
    }
}

/// One reply that is to come.
#[derive(Debug, Clone)]
pub(super) struct Expect {
    pub(super) word: Word,
    /// The command's number; an EXEC has those of what it executes.
    pub(super) tokens: Vec<u64>,
}

struct Composer<'a> {
    ledger: &'a Ledger,
    client: usize,
    bytes: Vec<u8>,
    expected: Vec<Expect>,
}

/// One round of client `number`.
pub(super) fn compose(ledger: &Ledger, client: usize) -> (Vec<u8>, Vec<Expect>) {
    let mut composer = Composer {
        ledger,
        client,
        bytes: Vec::new(),
        expected: Vec::new(),
    };
    // Apart from the ledger's, so that it can be borrowed in between.
    let mut chance = ledger.chance.borrow_mut().fork();
    for _ in 0..chance.within(1, 6) {
        match chance.within(0, 12) {
            0 => composer.transaction(&mut chance),
            1 => composer.blocking_pop(&mut chance),
            _ => {
                let word = pick(&mut chance);
                composer.single(word);
            }
        }
    }
    (composer.bytes, composer.expected)
}

fn pick(chance: &mut Chance) -> Word {
    let words = [
        Word::Set,
        Word::Incr,
        Word::Incr,
        Word::Push,
        Word::Push,
        Word::Pop,
        Word::Get,
        Word::Get,
        Word::Publish,
    ];
    words[chance.index(words.len())]
}

impl Composer<'_> {
    fn number(&self, word: Word) -> u64 {
        let token = self.ledger.token();
        let sent = Sent {
            client: self.client,
            word,
            outcome: None,
            abandoned: false,
        };
        self.ledger.sent.borrow_mut().insert(token, sent);
        self.ledger
            .tell(format!("client {} sends @{token} {word:?}", self.client));
        token
    }

    fn command(&mut self, word: Word, token: u64) {
        let own = format!("@{token}");
        let queue = format!("queue@{token}");
        let words: &[&str] = match word {
            Word::Set => &["SET", "key", &own],
            Word::Incr => &["INCR", &own],
            Word::Push => &["RPUSH", "queue", &own],
            Word::Pop => &["LPOP", &queue],
            Word::Publish => &["PUBLISH", "news", &own],
            _ => &["GET", &own],
        };
        self.bytes.extend(bulks(words));
    }

    fn single(&mut self, word: Word) {
        let token = self.number(word);
        self.command(word, token);
        self.expect(word, vec![token]);
    }

    fn blocking_pop(&mut self, chance: &mut Chance) {
        let token = self.number(Word::BlockingPop);
        // Mostly from a list that stays empty, so that it waits.
        let list = if chance.once_in(3) { "queue" } else { "rare" };
        let key = format!("{list}@{token}");
        let seconds = ["0.2", "1", "3"][chance.index(3)];
        self.bytes.extend(bulks(&["BLPOP", &key, seconds]));
        self.expect(Word::BlockingPop, vec![token]);
    }

    fn transaction(&mut self, chance: &mut Chance) {
        if chance.once_in(3) {
            let token = self.number(Word::Watch);
            self.bytes.extend(bulks(&["WATCH", &format!("@{token}")]));
            self.expect(Word::Watch, vec![token]);
        }
        self.bytes.extend(bulks(&["MULTI"]));
        self.expect(Word::Multi, Vec::new());
        let mut tokens = Vec::new();
        for _ in 0..chance.within(1, 4) {
            let token = self.number(Word::Incr);
            self.command(Word::Incr, token);
            self.expect(Word::Queued, vec![token]);
            tokens.push(token);
        }
        self.bytes.extend(bulks(&["EXEC"]));
        self.expect(Word::Exec, tokens);
    }

    fn expect(&mut self, word: Word, tokens: Vec<u64>) {
        self.expected.push(Expect { word, tokens });
    }
}
