//! What goes out: spans of the input, copied late and in as long pieces as can be.
//!
//! Until it is known whether a member passes, its text (the comma before it, white space, key and
//! colon) is *on hold*. A hold that ends in the chunk in which it began costs nothing; one that is
//! cut by the end of a chunk is kept aside. Every member brings the comma before it, so the commas
//! between members that pass are those that were there.

/// White space in a row that is kept while on hold, in bytes; what is beyond goes. Everything else
/// on hold has a limit, and with this one the hold has.
pub(super) const WHITE: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Copy,
    Hold,
    Drop,
}

/// Where the output stands.
#[derive(Clone, Debug)]
pub(super) struct Pen {
    mode: Mode,
    /// Where in this chunk the span begins that is known to pass.
    mark: usize,
    /// Where in this chunk the part on hold begins. From `mark` to here everything passes.
    hold: usize,
    /// What is on hold from earlier chunks.
    held: Vec<u8>,
    /// White space in a row at the end of what is on hold.
    white: usize,
}

impl Pen {
    /// A pen that copies.
    pub fn new() -> Pen {
        Pen { mode: Mode::Copy, mark: 0, hold: 0, held: Vec::new(), white: 0 }
    }

    /// A chunk begins.
    pub fn begin(&mut self) {
        (self.mark, self.hold) = (0, 0);
    }

    /// A chunk ends.
    pub fn end(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self.mode {
            Mode::Copy => out.extend_from_slice(&bytes[self.mark..]),
            Mode::Hold => self.put_aside(bytes, bytes.len(), out),
            Mode::Drop => {}
        }
    }

    /// From `pos` on nothing is decided.
    #[inline]
    pub fn hold(&mut self, pos: usize) {
        if self.mode == Mode::Drop {
            self.mark = pos;
        }
        self.mode = Mode::Hold;
        self.hold = pos;
        self.white = 0;
    }

    /// What is on hold passes, without its first byte if `but_first`. Nothing on hold: no change.
    #[inline]
    pub fn keep(&mut self, but_first: bool, bytes: &[u8], out: &mut Vec<u8>) {
        if self.mode != Mode::Hold {
            return;
        }
        self.mode = Mode::Copy;
        if !self.held.is_empty() || but_first {
            self.keep_in_pieces(but_first, bytes, out);
        }
    }

    /// What is on hold does not pass, nor what follows.
    pub fn discard(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        debug_assert!(self.mode == Mode::Hold, "only what is on hold can be taken back");
        out.extend_from_slice(&bytes[self.mark..self.hold]);
        self.held.clear();
        self.mode = Mode::Drop;
    }

    /// What lies aside from `start` on is replaced. Everything up to here lies aside.
    pub fn replace(&mut self, start: usize, with: &[u8]) {
        self.held.truncate(start);
        self.held.extend_from_slice(with);
    }

    /// Everything up to `pos` has passed, what follows does not.
    #[cold]
    pub fn cut(&mut self, pos: usize, bytes: &[u8], out: &mut Vec<u8>) {
        self.hold(pos);
        self.discard(bytes, out);
    }

    /// From `pos` on everything passes.
    pub fn copy(&mut self, pos: usize) {
        (self.mode, self.mark, self.hold) = (Mode::Copy, pos, pos);
    }

    /// What is on hold, if anything is, does not pass.
    pub fn discard_held(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.mode == Mode::Hold {
            self.discard(bytes, out);
        }
    }

    /// Whether what comes is dropped.
    #[inline]
    pub fn drops(&self) -> bool {
        self.mode == Mode::Drop
    }

    /// Whether what comes passes.
    #[inline]
    pub fn copies(&self) -> bool {
        self.mode == Mode::Copy
    }

    /// White space has been read, from `from` up to `to`.
    #[inline]
    pub fn space(&mut self, from: usize, to: usize, bytes: &[u8], out: &mut Vec<u8>) {
        if self.mode != Mode::Hold {
            return;
        }
        let before = self.white;
        self.white += to - from;
        if self.white > WHITE {
            self.put_aside(bytes, from + WHITE.saturating_sub(before), out);
            (self.mark, self.hold) = (to, to);
        }
    }

    /// Something else than white space has been read.
    #[inline]
    pub fn solid(&mut self) {
        self.white = 0;
    }

    /// Puts everything up to `pos` on hold and aside; the answer is how much lies there.
    pub fn aside(&mut self, pos: usize, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        if self.mode == Mode::Copy {
            self.hold(pos);
        }
        self.put_aside(bytes, pos, out);
        (self.mark, self.hold) = (pos, pos);
        self.held.len()
    }

    /// Whether something is on hold from earlier chunks.
    pub fn holds_earlier(&self) -> bool {
        !self.held.is_empty()
    }

    /// What lies aside.
    pub fn held(&self) -> &[u8] {
        &self.held
    }

    #[cold]
    fn keep_in_pieces(&mut self, but_first: bool, bytes: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&bytes[self.mark..self.hold]);
        let skipped = usize::from(but_first);
        if self.held.is_empty() {
            self.mark = self.hold + skipped;
            return;
        }
        out.extend_from_slice(&self.held[skipped..]);
        self.held.clear();
        self.mark = self.hold;
    }

    fn put_aside(&mut self, bytes: &[u8], to: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&bytes[self.mark..self.hold]);
        self.held.extend_from_slice(&bytes[self.hold..to]);
    }
}
