//! A proxy of bytes that does harm on purpose, in either direction, the same harm for the same seed:
//! it delays, cuts, corrupts, splits, stalls. Stands between a client and us, or between us and an
//! upstream.

use crate::reference::dice::Dice;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Harm to what passes in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The first byte waits so long.
    Delay(Duration),
    /// After so many bytes the connection is closed, both directions of it.
    Cut(usize),
    /// A bit of the byte at this place is another one.
    Corrupt(usize),
    /// No piece is longer.
    Split(usize),
    /// After so many bytes nothing more passes, and the connection stays open.
    Stall(usize),
}

/// What is done to one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// To what the one who connected sends.
    pub there: Vec<Fault>,
    /// To what comes back.
    pub back: Vec<Fault>,
}

/// A fault that was not only planned: the byte that it was for has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Of the connection, from 0.
    pub number: usize,
    pub fault: Fault,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    /// Where to connect to.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stopping: AtomicBool,
    done: Mutex<Vec<Done>>,
    /// Both ends of what is open.
    open: Mutex<Vec<(usize, [TcpStream; 2])>>,
}

impl Plan {
    /// Nothing but passing on.
    pub fn harmless() -> Plan {
        Plan::default()
    }

    /// This, to what comes back.
    pub fn back(faults: &[Fault]) -> Plan {
        Plan { back: faults.to_vec(), ..Plan::default() }
    }

    /// This, to what is sent.
    pub fn there(faults: &[Fault]) -> Plan {
        Plan { there: faults.to_vec(), ..Plan::default() }
    }

    /// Some harm to so many connections of a hundred, within so many bytes, by the seed and the
    /// connection's number alone.
    pub fn random(seed: u64, number: usize, of_hundred: u32, within: usize) -> Plan {
        let mut dice = Dice::new(seed ^ (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        if !dice.percent(of_hundred) {
            return Plan::harmless();
        }
        let at = 1 + dice.below(within);
        match dice.below(8) {
            0 => Plan::back(&[Fault::Cut(at)]),
            1 => Plan::there(&[Fault::Cut(at)]),
            2 => Plan::back(&[Fault::Stall(at)]),
            3 => Plan::back(&[Fault::Corrupt(at)]),
            4 => Plan::back(&[Fault::Delay(Duration::from_millis(dice.below(50) as u64))]),
            5 => Plan::there(&[Fault::Split(1 + dice.below(40))]),
            6 => Plan::back(&[Fault::Split(1 + dice.below(40))]),
            _ => Plan::back(&[Fault::Split(1 + dice.below(7)), Fault::Cut(at)]),
        }
    }
}

impl FaultProxy {
    /// Carries every connection on to `to`, each by the plan for its number.
    pub fn start(to: SocketAddr, plan: impl Fn(usize) -> Plan + Send + 'static) -> FaultProxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::<Shared>::default();
        let accepting = std::thread::spawn({
            let shared = shared.clone();
            move || shared.accept(&listener, to, plan)
        });
        FaultProxy { address, shared, accepting: Some(accepting) }
    }

    /// The same plan for all.
    pub fn always(to: SocketAddr, plan: Plan) -> FaultProxy {
        FaultProxy::start(to, move |_| plan.clone())
    }

    /// What `--upstream` takes.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The faults that have come about so far.
    pub fn done(&self) -> Vec<Done> {
        self.shared.done.lock().unwrap().clone()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // The accepting thread waits for a connection: this is one.
        let _woken = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _panicked_already_reported = accepting.join();
        }
        for (_, ends) in &*self.shared.open.lock().unwrap() {
            ends.iter().for_each(close);
        }
    }
}

impl Shared {
    fn accept(
        self: &Arc<Shared>,
        listener: &TcpListener,
        to: SocketAddr,
        plan: impl Fn(usize) -> Plan,
    ) {
        for (number, near) in listener.incoming().enumerate() {
            if self.stopping.load(Ordering::SeqCst) {
                return;
            }
            // Who cannot be reached is not there: the client sees a close.
            let Ok(ends) = near.and_then(|near| Ok([near, TcpStream::connect(to)?])) else {
                continue;
            };
            let _carried_or_closed = self.carry(number, ends, plan(number));
        }
    }

    /// A thread for each direction.
    fn carry(
        self: &Arc<Shared>,
        number: usize,
        ends: [TcpStream; 2],
        plan: Plan,
    ) -> io::Result<()> {
        let [near, far] = &ends;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let clones = || Ok::<_, io::Error>([near.try_clone()?, far.try_clone()?]);
        self.open.lock().unwrap().push((number, clones()?));
        let left = Arc::new(());
        for (faults, [from, to]) in [
            (plan.there, clones()?),
            (plan.back, {
                let [near, far] = clones()?;
                [far, near]
            }),
        ] {
            let (shared, left) = (self.clone(), left.clone());
            std::thread::spawn(move || {
                let mut way = Way { number, faults, passed: 0, shared: &shared };
                if way.run(&from, &to).is_err() {
                    close(&from);
                    close(&to);
                }
                if Arc::into_inner(left).is_some() {
                    shared.open.lock().unwrap().retain(|(open, _)| *open != number);
                }
            });
        }
        Ok(())
    }
}

/// One direction of one connection.
struct Way<'s> {
    number: usize,
    faults: Vec<Fault>,
    passed: usize,
    shared: &'s Shared,
}

impl Way<'_> {
    /// Carries bytes to their end, which the other side is told. An error ends both directions.
    fn run(&mut self, mut from: &TcpStream, to: &TcpStream) -> io::Result<()> {
        let mut room = vec![0; 16 * 1024];
        loop {
            let n = from.read(&mut room)?;
            if n == 0 {
                return to.shutdown(Shutdown::Write);
            }
            if !self.pass(&mut room[..n], to)? {
                // Stalled: bytes are taken and go nowhere until somebody gives up.
                while from.read(&mut room)? > 0 {}
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Passes on what may pass. Says whether more will.
    fn pass(&mut self, bytes: &mut [u8], mut to: &TcpStream) -> io::Result<bool> {
        let (begin, end) = (self.passed, self.passed + bytes.len());
        let (mut last, mut piece, mut after) = (bytes.len(), usize::MAX, None);
        for fault in self.faults.clone() {
            match fault {
                Fault::Delay(wait) if begin == 0 => {
                    self.did(fault);
                    std::thread::sleep(wait);
                }
                Fault::Corrupt(at) if (begin..end).contains(&at) => {
                    self.did(fault);
                    bytes[at - begin] ^= 1 << (at % 7);
                }
                Fault::Split(length) => {
                    if begin == 0 {
                        self.did(fault);
                    }
                    piece = piece.min(length.max(1));
                }
                Fault::Cut(at) | Fault::Stall(at) if at <= end => {
                    last = last.min(at.saturating_sub(begin));
                    after = Some(fault);
                }
                _ => {}
            }
        }
        self.passed = end;
        for part in bytes[..last].chunks(piece) {
            to.write_all(part)?;
        }
        let Some(fault) = after else { return Ok(true) };
        self.did(fault);
        match fault {
            Fault::Cut(_) => Err(io::ErrorKind::ConnectionAborted.into()),
            _ => Ok(false),
        }
    }

    fn did(&self, fault: Fault) {
        self.shared.done.lock().unwrap().push(Done { number: self.number, fault });
    }
}

fn close(stream: &TcpStream) {
    let _gone_already = stream.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::Client;

    /// Sends everything back.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || io::copy(&mut &stream, &mut &stream));
            }
        });
        address
    }

    /// What comes back of this text until the end, or until nothing more comes.
    fn through(plan: Plan, text: &str) -> (String, Vec<Done>) {
        let proxy = FaultProxy::always(echo(), plan);
        let mut stream = TcpStream::connect(proxy.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let _cut_while_it_sends = stream.write_all(text.as_bytes());
        let _cut_before = stream.shutdown(Shutdown::Write);
        let (mut seen, mut chunk) = (Vec::new(), [0; 64]);
        while let Ok(n @ 1..) = stream.read(&mut chunk) {
            seen.extend_from_slice(&chunk[..n]);
        }
        (String::from_utf8_lossy(&seen).into_owned(), proxy.done())
    }

    #[test]
    fn each_fault_does_what_it_says_in_its_direction() {
        let text = "0123456789";
        let harmless = through(Plan::harmless(), text);
        assert_eq!(harmless, (text.to_owned(), vec![]));
        let delay = Fault::Delay(Duration::from_millis(1));
        for (fault, left) in [
            (delay, text),
            (Fault::Split(3), text),
            (Fault::Cut(0), ""),
            (Fault::Cut(4), "0123"),
            (Fault::Stall(4), "0123"),
            (Fault::Corrupt(2), "with another sign"),
        ] {
            for plan in [Plan::there(&[fault]), Plan::back(&[fault])] {
                let (seen, done) = through(plan.clone(), text);
                match fault {
                    Fault::Corrupt(at) => {
                        let other: Vec<_> =
                            seen.bytes().zip(text.bytes()).map(|(a, b)| a != b).collect();
                        assert_eq!(other.iter().position(|other| *other), Some(at), "{seen}");
                        assert_eq!(other.iter().filter(|other| **other).count(), 1, "{seen}");
                    }
                    // What had been sent before is lost on its way back.
                    Fault::Cut(_) | Fault::Stall(_) if plan.back.is_empty() => {
                        assert!(left.starts_with(&seen), "{seen}");
                    }
                    _ => assert_eq!(seen, left, "{plan:?}"),
                }
                assert_eq!(done, [Done { number: 0, fault }], "{plan:?}");
            }
        }
    }

    #[test]
    fn a_seed_makes_the_same_plans_and_all_kinds_of_them() {
        let plans = |seed| (0..400).map(move |at| Plan::random(seed, at, 50, 100));
        assert!(plans(1).eq(plans(1)));
        assert!(!plans(1).eq(plans(2)));
        let harmless = plans(1).filter(|plan| *plan == Plan::harmless()).count();
        assert!((150..250).contains(&harmless), "{harmless}");
        let has = |what: fn(&Fault) -> bool| plans(1).any(|plan| plan.back.iter().any(what));
        assert!(has(|fault| matches!(fault, Fault::Cut(_))));
        assert!(has(|fault| matches!(fault, Fault::Stall(_))));
        assert!(has(|fault| matches!(fault, Fault::Corrupt(_))));
        assert!(has(|fault| matches!(fault, Fault::Delay(_))));
        assert!(has(|fault| matches!(fault, Fault::Split(_))));
    }

    #[test]
    fn who_is_dropped_holds_nobody() {
        let proxy = FaultProxy::always(echo(), Plan::back(&[Fault::Stall(0)]));
        let mut client = Client::connect(proxy.address);
        client.send("x");
        drop(proxy);
        client.expect_end();
    }
}
