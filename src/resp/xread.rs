//! Reads the options of XREAD and XREADGROUP as a server does.
//!
//! Only as far as recovery needs them; what they mean is for whoever asks.

use super::args::Args;

/// The parts of an XREAD or XREADGROUP.
pub(super) struct Xread<'a> {
    /// The argument of the BLOCK that counts, the last one, and its place, the name being 0.
    pub(super) block: Option<(usize, &'a [u8])>,
    /// What follows STREAMS: as many keys as ids.
    streams: Args<'a>,
}

impl<'a> Xread<'a> {
    /// The parts of `frame`; `None` if a server that knows no other options would refuse it.
    pub(super) fn parse(frame: &'a [u8]) -> Option<Self> {
        let mut args = Args::new(frame);
        let _name = args.next()?;
        let mut block = None;
        let mut at = 0;
        loop {
            let option = args.next()?;
            at += 1;
            let values = match option {
                _ if option.eq_ignore_ascii_case(b"STREAMS") => break,
                _ if option.eq_ignore_ascii_case(b"BLOCK") => {
                    block = Some((at + 1, args.clone().next()?));
                    1
                }
                _ if option.eq_ignore_ascii_case(b"COUNT") => 1,
                _ if option.eq_ignore_ascii_case(b"GROUP") => 2,
                _ if option.eq_ignore_ascii_case(b"NOACK") => 0,
                _ => return None,
            };
            for _ in 0..values {
                args.next()?;
            }
            at += values;
        }
        let count = args.clone().count();
        (count > 0 && count.is_multiple_of(2)).then_some(Self {
            block,
            streams: args,
        })
    }

    /// The ids, one for each key.
    pub(super) fn ids(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let count = self.streams.clone().count();
        self.streams.clone().skip(count / 2)
    }
}
