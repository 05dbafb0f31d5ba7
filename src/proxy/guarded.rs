//! Panics: a defect met by one request harms no other.

use super::respond::Refused;
use crate::decide::Reason;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// A panic on the way costs this request, which is refused, and nothing else.
pub(super) async fn guarded<T>(
    way: impl Future<Output = Result<T, Refused>>,
) -> Result<T, Refused> {
    let mut way = pin!(way);
    poll_fn(|cx| {
        // The future is not polled again after a panic, so nobody sees what it left behind.
        let polled = catch_unwind(AssertUnwindSafe(|| way.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(Reason::Internal.into())))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p15_a_panic_on_the_way_is_a_refusal() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let way = async {
            tokio::task::yield_now().await;
            panic!("a defect, on purpose");
            #[allow(unreachable_code)]
            Ok(())
        };
        let refused = runtime.block_on(guarded(way)).unwrap_err();
        assert_eq!(refused.refusal.reason, Reason::Internal);
        let fine = runtime.block_on(guarded(async { Ok(1) }));
        assert_eq!(fine.unwrap(), 1);
    }
}
