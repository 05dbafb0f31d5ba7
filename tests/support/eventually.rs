//! Waiting for what happens on its own time: a reload, a log line, a closed socket.

use super::DEADLINE;
use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Asks again and again until the answer is `Ok`; panics with the last `Err` after [`DEADLINE`].
#[track_caller]
pub fn eventually<T, E: Debug>(ask: impl FnMut() -> Result<T, E>) -> T {
    match within(DEADLINE, ask) {
        Ok(answer) => answer,
        Err(state) => panic!("not within {DEADLINE:?}; last seen: {state:?}"),
    }
}

/// Asks until the answer is `Ok` or the time is over, then returns the last answer.
pub fn within<T, E>(wait: Duration, mut ask: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let end = Instant::now() + wait;
    loop {
        match ask() {
            Err(_) if Instant::now() < end => std::thread::sleep(PAUSE),
            answer => return answer,
        }
    }
}

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(5);

#[test]
fn the_answer_comes_as_soon_as_it_is_ok() {
    let mut asked = 0;
    let answer = eventually(|| {
        asked += 1;
        if asked == 3 { Ok(asked) } else { Err(asked) }
    });
    assert_eq!(answer, 3);
}

#[test]
fn the_last_state_is_told_when_time_is_over() {
    let answer: Result<(), _> = within(Duration::ZERO, || Err("still the old policy"));
    assert_eq!(answer, Err("still the old policy"));
}
