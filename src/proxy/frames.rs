//! Counts the frames of an HTTP/2 connection before h2 reads them, and ends one that sends many of
//! those that cost the sender nothing.
//!
//! h2 bounds what a flood makes it hold: CONTINUATION frames of one block, streams that were reset
//! before anybody accepted them, streams that it had to reset itself, DATA of a few bytes. It does
//! not bound what a flood makes it do: it answers every PING and every SETTINGS, and a stream that
//! is reset once its request has gone to the upstream is gone for h2. So the heads of frames (RFC
//! 9113 section 4.1) are read here as they pass, nine bytes each, and nothing of what they carry.
//!
//! Two allowances, each of which comes back evenly within [`REFILL`]: streams that the client resets
//! (the client of CVE-2023-44487 asks and takes it back), and frames that move nothing. The second
//! is also earned: a client that is served and sent much has reason to open windows and to measure.

use std::time::Duration;

/// In this time a spent allowance comes back whole.
pub(super) const REFILL: Duration = Duration::from_secs(30);

/// Ticks of the worker's clock in [`REFILL`].
const REFILL_TICKS: u64 = (REFILL.as_millis() / super::deadline::TICK.as_millis()) as u64;

/// Frames that a request is worth: its own HEADERS, and what a client says beside one.
const REQUEST: u64 = 5;

/// Bytes of ours that are worth a frame: no client opens its window in smaller steps.
const BYTES_A_FRAME: usize = 1024;

/// Bytes of fields that are read before the requests that they made have their turn.
const FIELDS_A_TURN: usize = 4 * 1024;

/// A frame's head: its length in three bytes, type, flags, and the stream in four.
const HEAD: usize = 9;

/// A connection's preface (RFC 9113 section 3.4), which stands before the first frame.
const PREFACE: usize = 24;

/// Padding is at most this long (RFC 9113 section 6.1): a longer DATA frame carries something.
const MAX_PADDING: usize = 256;

/// Follows what a client sends on one connection.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes of a payload that are still to pass.
    left: usize,
    /// The beginning of a head that is not complete yet, and how much of it there is.
    head: [u8; HEAD],
    have: usize,
    /// Whether the client's first frame has passed, which is its SETTINGS.
    opened: bool,
    /// Whether the frame that is passing belongs to a block of fields, and whether more of the
    /// block follows in the next.
    block: bool,
    continues: bool,
    /// Bytes of blocks in this turn.
    fields: usize,
    resets: Allowance,
    idle: Allowance,
    /// Bytes that were written and are worth no whole frame yet.
    written: usize,
}

/// What a client sent too many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flood {
    /// Streams that it reset itself.
    #[error("the client resets too many streams")]
    Resets,
    /// Frames that move nothing.
    #[error("the client sends too many frames that move nothing")]
    Frames,
}

/// So many at once, which come back evenly. Counted in parts of one, so that no rounding gives or
/// takes any.
#[derive(Debug)]
struct Allowance {
    most: u64,
    left: u64,
    since: u64,
}

impl Frames {
    /// A connection of which nothing has passed, not even its preface.
    pub(super) fn new(resets: u32, frames: u32, now: u64) -> Frames {
        Frames {
            left: PREFACE,
            head: [0; HEAD],
            have: 0,
            opened: false,
            block: false,
            continues: false,
            fields: 0,
            resets: Allowance::new(resets, now),
            idle: Allowance::new(frames, now),
            written: 0,
        }
    }

    /// Looks at bytes that h2 is about to read, at this tick of the clock.
    pub(super) fn see(&mut self, mut bytes: &[u8], now: u64) -> Result<(), Flood> {
        loop {
            let passing = self.left.min(bytes.len());
            self.left -= passing;
            self.fields += if self.block { passing } else { 0 };
            bytes = &bytes[passing..];
            if bytes.is_empty() {
                return Ok(());
            }
            let more = (HEAD - self.have).min(bytes.len());
            self.head[self.have..self.have + more].copy_from_slice(&bytes[..more]);
            self.have += more;
            bytes = &bytes[more..];
            if self.have == HEAD {
                self.have = 0;
                self.count(now)?;
            }
        }
    }

    /// A block of fields has become a request.
    pub(super) fn served(&mut self) {
        self.idle.earn(REQUEST);
    }

    /// The client has taken so many bytes.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written >= BYTES_A_FRAME {
            self.idle.earn((self.written / BYTES_A_FRAME) as u64);
            self.written %= BYTES_A_FRAME;
        }
    }

    /// Whether so many fields have passed in this turn that the requests which they made should come
    /// to something before more is read. h2 reads on for as long as there is something to read, and
    /// a byte of fields may unfold to a hundred.
    pub(super) fn gives_way(&self) -> bool {
        self.fields >= FIELDS_A_TURN
    }

    /// The connection has its turn again.
    pub(super) fn begin_turn(&mut self) {
        self.fields = 0;
    }

    /// Whether something has begun that has to come soon: the preface, of which the client's SETTINGS
    /// are the end, or a block of fields.
    pub(super) fn in_head(&self) -> bool {
        !self.opened || self.block && (self.left > 0 || self.continues)
    }

    /// A frame's head is complete.
    fn count(&mut self, now: u64) -> Result<(), Flood> {
        let [a, b, c, kind, flags, ..] = self.head;
        self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.opened |= kind == SETTINGS;
        self.block = matches!(kind, HEADERS | CONTINUATION);
        self.continues = self.block && flags & END_HEADERS == 0;
        match kind {
            DATA if flags & END_STREAM != 0 => Ok(()),
            DATA if self.left > 0 && (flags & PADDED == 0 || self.left > MAX_PADDING) => Ok(()),
            RST_STREAM => self.resets.spend(now).ok_or(Flood::Resets),
            // A block that becomes a request is given back; a refused one is not.
            _ => self.idle.spend(now).ok_or(Flood::Frames),
        }
    }
}

impl Allowance {
    fn new(most: u32, now: u64) -> Allowance {
        let most = u64::from(most) * REFILL_TICKS;
        Allowance { most, left: most, since: now }
    }

    fn spend(&mut self, now: u64) -> Option<()> {
        let back = (now - self.since).saturating_mul(self.most / REFILL_TICKS);
        self.left = self.left.saturating_add(back).min(self.most);
        self.since = now;
        self.left = self.left.checked_sub(REFILL_TICKS)?;
        Some(())
    }

    fn earn(&mut self, count: u64) {
        self.left = self.left.saturating_add(count.saturating_mul(REFILL_TICKS)).min(self.most);
    }
}

// RFC 9113 section 6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// Frames of which so many of each kind may come, behind a preface and its SETTINGS.
    fn open(resets: u32, frames: u32) -> Frames {
        let mut open = Frames::new(resets, frames + 1, 0);
        open.see(&[b'x'; PREFACE], 0).unwrap();
        open.see(&frame(SETTINGS, 0, &[0; 12]), 0).unwrap();
        open
    }

    /// How many of them pass.
    fn passing(frames: &mut Frames, one: &[u8], of: u32, now: u64) -> u32 {
        (0..of).take_while(|_| frames.see(one, now).is_ok()).count().try_into().unwrap()
    }

    #[test]
    fn p05_so_many_streams_may_be_reset_and_no_more() {
        let reset = frame(RST_STREAM, 0, &[0; 4]);
        for most in [1, 2, 200] {
            for (sent, passed) in [(most - 1, most - 1), (most, most), (most + 1, most)] {
                assert_eq!(passing(&mut open(most, 0), &reset, sent, 0), passed);
            }
            let mut frames = open(most, 0);
            passing(&mut frames, &reset, most, 0);
            assert_eq!(frames.see(&reset, 0), Err(Flood::Resets));
        }
    }

    #[test]
    fn p05_frames_that_move_nothing_are_counted_and_others_are_not() {
        let idle: [(&str, Vec<u8>); 11] = [
            ("empty DATA", frame(DATA, 0, b"")),
            ("DATA that is all padding", frame(DATA, PADDED, &[3, 0, 0, 0])),
            ("a refused block", frame(HEADERS, END_HEADERS | END_STREAM, &[0x82])),
            ("PRIORITY", frame(2, 0, &[0; 5])),
            ("SETTINGS", frame(SETTINGS, 0, b"")),
            ("an acknowledgement", frame(SETTINGS, 1, b"")),
            ("PING", frame(6, 0, &[0; 8])),
            ("GOAWAY", frame(7, 0, &[0; 8])),
            ("WINDOW_UPDATE", frame(8, 0, &[0, 0, 0, 1])),
            ("CONTINUATION", frame(CONTINUATION, 0, b"")),
            ("an unknown one", frame(0x7f, 0, b"?")),
        ];
        for (what, one) in &idle {
            for (sent, passed) in [(9, 9), (10, 10), (11, 10)] {
                assert_eq!(passing(&mut open(1, 10), one, sent, 0), passed, "{what}");
            }
        }
        let moving = [
            frame(DATA, 0, b"x"),
            frame(DATA, END_STREAM, b""),
            frame(DATA, PADDED, &[255; MAX_PADDING + 1]),
        ];
        for one in moving {
            assert_eq!(passing(&mut open(1, 10), &one, 1_000, 0), 1_000);
        }
    }

    #[test]
    fn p05_requests_and_bytes_that_are_taken_earn_frames() {
        let mut frames = open(1, 10);
        let left = |frames: &Frames| frames.idle.left / REFILL_TICKS;
        assert_eq!(passing(&mut frames, &frame(6, 0, &[0; 8]), 10, 0), 10);
        assert_eq!(left(&frames), 0);
        frames.wrote(BYTES_A_FRAME - 1);
        assert_eq!(left(&frames), 0);
        frames.wrote(1);
        assert_eq!(left(&frames), 1);
        frames.served();
        assert_eq!(left(&frames), 1 + REQUEST);
        frames.wrote(BYTES_A_FRAME * 1_000);
        assert_eq!(left(&frames), 11, "never more than at first");
    }

    #[test]
    fn p05_what_is_spent_comes_back_evenly_and_never_more_than_there_was() {
        let mut resets = Allowance::new(30, 5);
        let spend = |resets: &mut Allowance, now| {
            (0..100).take_while(|_| resets.spend(now).is_some()).count()
        };
        assert_eq!(spend(&mut resets, 5), 30);
        for (now, back) in [(5 + 9, 0), (5 + 10, 1), (5 + 20, 1), (5 + 50, 3)] {
            assert_eq!(spend(&mut resets, now), back, "{now}");
        }
        assert_eq!(spend(&mut resets, 1_000_000), 30);
        let mut rested = Allowance::new(30, 0);
        assert_eq!(spend(&mut rested, 10_000), 30, "rest is not saved up");
        assert_eq!(spend(&mut Allowance::new(u32::MAX, 0), u64::MAX), 100, "nothing overflows");
    }

    #[test]
    fn p05_frames_are_counted_alike_however_they_are_split() {
        let text = [
            vec![b'x'; PREFACE],
            frame(SETTINGS, 0, &[0; 6]),
            frame(HEADERS, END_HEADERS, &[RST_STREAM; 40]),
            frame(DATA, 0, &[RST_STREAM; 300]),
            frame(RST_STREAM, 0, &[0; 4]),
            frame(DATA, 0, b""),
        ]
        .concat();
        for size in 1..text.len() {
            let mut frames = Frames::new(10, 10, 0);
            text.chunks(size).for_each(|piece| frames.see(piece, 0).unwrap());
            let spent = |allowance: &Allowance| (allowance.most - allowance.left) / REFILL_TICKS;
            assert_eq!((spent(&frames.resets), spent(&frames.idle)), (1, 3), "{size}");
            assert_eq!((frames.left, frames.have), (0, 0), "{size}");
        }
    }

    #[test]
    fn p13_after_so_many_bytes_of_fields_others_have_their_turn() {
        for (bytes, gives_way) in
            [(FIELDS_A_TURN - 1, false), (FIELDS_A_TURN, true), (FIELDS_A_TURN + 1, true)]
        {
            let mut frames = open(1, 10);
            frames.see(&frame(DATA, 0, &[b'x'; 2 * FIELDS_A_TURN]), 0).unwrap();
            let half = frame(HEADERS, END_HEADERS, &vec![0x82; bytes / 2]);
            let rest = frame(HEADERS, END_HEADERS, &vec![0x82; bytes - bytes / 2]);
            frames.see(&half, 0).unwrap();
            frames.see(&rest, 0).unwrap();
            assert_eq!(frames.gives_way(), gives_way, "{bytes}");
            frames.see(&half, 0).unwrap();
            frames.begin_turn();
            frames.see(&half, 0).unwrap();
            assert!(!frames.gives_way());
        }
    }

    #[test]
    fn p05_what_has_begun_is_a_head_until_it_is_whole() {
        let mut frames = Frames::new(1, 10, 0);
        let mut see = |bytes: &[u8]| {
            frames.see(bytes, 0).unwrap();
            frames.in_head()
        };
        assert!(see(&[b'x'; PREFACE]), "a preface without SETTINGS");
        assert!(!see(&frame(SETTINGS, 0, b"")));
        assert!(!see(&frame(DATA, 0, b"abc")[..10]), "a body is none");
        assert!(!see(b"bc"));
        assert!(see(&frame(HEADERS, 0, b"ab")[..10]));
        assert!(see(b"b"), "more of the block follows");
        assert!(see(&frame(CONTINUATION, 0, b"")));
        assert!(!see(&frame(CONTINUATION, END_HEADERS, b"")));
    }
}
