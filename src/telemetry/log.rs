//! The way of a line from a worker to the sink.
//!
//! Each worker appends to a buffer of its own; one thread takes the buffers, empty for full, and
//! writes them. The lock on a buffer is held while a line is appended or two pointers are swapped,
//! never while anything is written, so a sink that stands still costs lines, not requests.

use crate::settings::LogSink;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// What one worker may have waiting, in bytes: some 2,500 lines. Lines beyond it are dropped.
pub const MAX_QUEUE: usize = 1024 * 1024;

/// How long the writer waits for more lines after the first: one wake-up and one write then serve
/// many requests.
const GATHER: Duration = Duration::from_millis(10);

/// How often lost lines are spoken of, at most.
const NOTICE: Duration = Duration::from_secs(10);

/// How long dropping the log waits for the sink, where nobody called [`Log::close`].
const LAST_WAIT: Duration = Duration::from_secs(2);

/// The log of a process.
#[derive(Debug)]
pub(super) struct Log {
    shared: Arc<Shared>,
    writer: Thread,
    /// Says nothing; it is disconnected when the writer has ended.
    ended: Mutex<Receiver<()>>,
}

/// One worker's end of the log.
#[derive(Debug)]
pub(super) struct Lane {
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    writer: Thread,
    limit: usize,
}

/// Lines that were lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// The queue was full.
    pub(super) queue: u64,
    /// The sink did not take them.
    pub(super) write: u64,
}

#[derive(Debug, Default)]
struct Shared {
    queues: Mutex<Vec<Arc<Queue>>>,
    /// Some queue has lines that the writer has not been woken for.
    waiting: AtomicBool,
    closed: AtomicBool,
    unwritten: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    lines: Mutex<Vec<u8>>,
    dropped: AtomicU64,
}

struct Writer<W> {
    shared: Arc<Shared>,
    sink: W,
    /// The last write ended within a line.
    torn: bool,
    spoken: Lost,
    spoken_at: Option<Instant>,
}

impl Log {
    /// Opens the sink and starts the writer; `None` where the sink is off.
    pub(super) fn start(sink: &LogSink) -> io::Result<Option<Log>> {
        match sink {
            LogSink::Off => Ok(None),
            LogSink::Stdout => Log::to(io::stdout()).map(Some),
            LogSink::Stderr => Log::to(io::stderr()).map(Some),
            LogSink::File(path) => {
                let file = OpenOptions::new().create(true).append(true).open(path)?;
                Log::to(file).map(Some)
            }
        }
    }

    fn to(sink: impl Write + Send + 'static) -> io::Result<Log> {
        let shared = Arc::new(Shared::default());
        let writer = Writer {
            shared: shared.clone(),
            sink,
            torn: false,
            spoken: Lost::default(),
            spoken_at: None,
        };
        let (alive, ended) = channel();
        let thread = thread::Builder::new().name("access-log".into()).spawn(move || {
            let _alive = alive;
            writer.run();
        })?;
        Ok(Log { shared, writer: thread.thread().clone(), ended: Mutex::new(ended) })
    }

    /// An end for one more worker.
    pub(super) fn lane(&self) -> Lane {
        let queue = Arc::new(Queue::default());
        lock(&self.shared.queues).push(queue.clone());
        let (shared, writer) = (self.shared.clone(), self.writer.clone());
        Lane { queue, shared, writer, limit: MAX_QUEUE }
    }

    /// Lines that were lost until now.
    pub(super) fn lost(&self) -> Lost {
        self.shared.lost()
    }

    /// Writes what is waiting and ends the writer. `false` if the sink took longer than this.
    pub(super) fn close(&self, wait: Duration) -> bool {
        self.shared.closed.store(true, Ordering::Release);
        self.writer.unpark();
        let end = lock(&self.ended).recv_timeout(wait);
        matches!(end, Err(RecvTimeoutError::Disconnected))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close(LAST_WAIT);
    }
}

impl Lane {
    /// Appends one line, or counts it as dropped where the queue is full.
    pub(super) fn push(&self, write: impl FnOnce(&mut Vec<u8>)) {
        {
            let mut lines = lock(&self.queue.lines);
            let before = lines.len();
            write(&mut lines);
            if lines.len() > self.limit {
                lines.truncate(before);
                self.queue.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        // The writer clears the flag before it takes the lines: a flag still set here means that
        // it will yet come for this one.
        if !self.shared.waiting.load(Ordering::Relaxed)
            && !self.shared.waiting.swap(true, Ordering::AcqRel)
        {
            self.writer.unpark();
        }
    }
}

impl Shared {
    fn lost(&self) -> Lost {
        let dropped = |queue: &Arc<Queue>| queue.dropped.load(Ordering::Relaxed);
        Lost {
            queue: lock(&self.queues).iter().map(dropped).sum(),
            write: self.unwritten.load(Ordering::Relaxed),
        }
    }
}

impl<W: Write> Writer<W> {
    fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            let closed = self.wait();
            self.shared.waiting.swap(false, Ordering::AcqRel);
            let queues = lock(&self.shared.queues).clone();
            for queue in &queues {
                std::mem::swap(&mut *lock(&queue.lines), &mut batch);
                self.write(&batch);
                batch.clear();
            }
            self.notice();
            if closed {
                return;
            }
        }
    }

    /// Waits for a line and then for those that follow at its heels. `true` when the log closes.
    fn wait(&self) -> bool {
        let closed = || self.shared.closed.load(Ordering::Acquire);
        while !closed() && !self.shared.waiting.load(Ordering::Acquire) {
            thread::park();
        }
        if !closed() {
            thread::park_timeout(GATHER);
        }
        closed()
    }

    fn write(&mut self, batch: &[u8]) {
        if batch.is_empty() {
            return;
        }
        // What a failed write left of a line must not become the beginning of the next.
        let begun = if self.torn { self.sink.write_all(b"\n") } else { Ok(()) };
        let written = begun.and_then(|()| self.sink.write_all(batch));
        self.torn = written.and_then(|()| self.sink.flush()).is_err();
        if self.torn {
            let lines = memchr::memchr_iter(b'\n', batch).count();
            self.shared.unwritten.fetch_add(lines as u64, Ordering::Relaxed);
        }
    }

    fn notice(&mut self) {
        let lost = self.shared.lost();
        let quiet = self.spoken_at.is_some_and(|at| at.elapsed() < NOTICE);
        if lost == self.spoken || quiet {
            return;
        }
        tracing::warn!(
            queue_full = lost.queue - self.spoken.queue,
            not_written = lost.write - self.spoken.write,
            "lines of the access log were lost"
        );
        (self.spoken, self.spoken_at) = (lost, Some(Instant::now()));
    }
}

/// A panic elsewhere leaves a buffer of bytes as good as it was.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::Sender;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// A sink that hands on what it is given, or fails.
    struct Sink {
        to: Sender<Vec<u8>>,
        fail: Arc<AtomicBool>,
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.fail.load(Ordering::SeqCst) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.to.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn sink() -> (Sink, Receiver<Vec<u8>>, Arc<AtomicBool>) {
        let (to, from) = channel();
        let fail = Arc::new(AtomicBool::new(false));
        (Sink { to, fail: fail.clone() }, from, fail)
    }

    fn push(lane: &Lane, line: &str) {
        lane.push(|out| out.extend_from_slice(line.as_bytes()));
    }

    fn read(from: &Receiver<Vec<u8>>, bytes: usize) -> String {
        let mut all = Vec::new();
        while all.len() < bytes {
            all.extend(from.recv_timeout(PATIENCE).expect("the writer writes"));
        }
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn a_line_arrives_without_closing() {
        let (sink, from, _) = sink();
        let log = Log::to(sink).unwrap();
        let lane = log.lane();
        for line in ["one\n", "two\n"] {
            push(&lane, line);
            assert_eq!(read(&from, line.len()), line);
        }
    }

    #[test]
    fn closing_writes_the_lines_of_all_workers() {
        let (sink, from, _) = sink();
        let log = Log::to(sink).unwrap();
        let lanes = [log.lane(), log.lane()];
        thread::scope(|scope| {
            for lane in lanes {
                scope.spawn(move || (0..1_000).for_each(|_| push(&lane, "line\n")));
            }
        });
        assert!(log.close(PATIENCE));
        assert_eq!(from.try_iter().flatten().count(), 2_000 * "line\n".len());
        assert_eq!(log.lost(), Lost::default());
    }

    #[test]
    fn a_full_queue_drops_lines_and_counts_them() {
        let (shared, writer) = (Arc::new(Shared::default()), thread::current());
        for (line, kept) in [("123456\n", 2), ("1234567\n", 2), ("12345678\n", 1)] {
            let queue = Arc::new(Queue::default());
            let (shared, writer) = (shared.clone(), writer.clone());
            let lane = Lane { queue: queue.clone(), shared, writer, limit: 16 };
            (0..3).for_each(|_| push(&lane, line));
            assert_eq!(*lock(&queue.lines), line.repeat(kept).into_bytes());
            assert_eq!(queue.dropped.load(Ordering::Relaxed), 3 - kept as u64);
        }
    }

    #[test]
    fn p15_a_sink_that_stands_still_costs_lines_and_nothing_else() {
        let (reader, writer) = std::io::pipe().unwrap();
        let log = Log::to(writer).unwrap();
        let lane = log.lane();
        let line = format!("{}\n", "x".repeat(1023));
        for _ in 0..4 * MAX_QUEUE / line.len() {
            push(&lane, &line);
        }
        assert!(log.lost().queue > 0, "the pipe and the queue hold less than was pushed");
        assert!(!log.close(Duration::from_millis(20)), "the sink takes nothing");
        drop(reader);
        assert!(log.close(PATIENCE), "a reader that is gone is an error, not a wait");
        assert!(log.lost().write > 0);
    }

    #[test]
    fn p15_a_sink_that_fails_is_tried_again_and_lines_stay_whole() {
        let (sink, from, fail) = sink();
        let log = Log::to(sink).unwrap();
        let lane = log.lane();
        fail.store(true, Ordering::SeqCst);
        push(&lane, "lost\n");
        let start = Instant::now();
        while log.lost().write == 0 {
            assert!(start.elapsed() < PATIENCE, "the writer tries");
            thread::yield_now();
        }
        fail.store(false, Ordering::SeqCst);
        push(&lane, "kept\n");
        assert_eq!(read(&from, 6), "\nkept\n");
        assert_eq!(log.lost(), Lost { queue: 0, write: 1 });
    }

    #[test]
    fn off_is_no_log_and_a_file_is_appended_to() {
        assert!(Log::start(&LogSink::Off).unwrap().is_none());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        for line in ["one\n", "two\n"] {
            let log = Log::start(&LogSink::File(path.clone())).unwrap().unwrap();
            push(&log.lane(), line);
            assert!(log.close(PATIENCE));
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert!(Log::start(&LogSink::File(folder.path().join("no/such"))).is_err());
    }
}
