//! Tokens that have been verified, so that a signature is checked once and not at every request.
//!
//! The key is the SHA-256 of the whole token, header and signature included. The issuers that the
//! verdict read belong to the [`super::Identity`] that owns this cache; a reload of the policy or of
//! a key file builds another `Identity`, and with it an empty cache. Keys that are fetched change in
//! between: a verdict knows its issuer and the generation of the keys, and counts while these are
//! the issuer's. Only success is kept: a refusal
//! costs its sender the same each time, and cannot push out what others use.

use crate::principal::Principal;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::sync::Arc;

/// What the verdicts of one policy may take, in bytes (as estimated by [`weight`]).
pub const MAX_VERDICT_BYTES: u64 = 32 * 1024 * 1024;

/// What one verdict takes besides its texts: the principal, its lists, the cache's own entry.
const OVERHEAD: u32 = 1024;

/// A digest of a credential.
pub(super) type Digest = [u8; 32];

#[derive(Debug)]
pub(super) struct Verdicts {
    cache: Cache<Digest, Verdict, ByWeight>,
}

#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) principal: Arc<Principal>,
    /// Which issuer vouched.
    pub(super) issuer: u32,
    /// The generation of its keys.
    pub(super) keys: u64,
    weight: u32,
}

#[derive(Clone, Debug)]
struct ByWeight;

impl Verdicts {
    /// An empty cache with room for this many bytes.
    pub(super) fn new(bytes: u64) -> Verdicts {
        let entries = usize::try_from(bytes / u64::from(2 * OVERHEAD)).unwrap_or(usize::MAX);
        Verdicts { cache: Cache::with_weighter(entries.max(1), bytes, ByWeight) }
    }

    /// What was found of a token that has not expired since. Whether the keys are still the
    /// issuer's is for the caller to look at.
    pub(super) fn get(&self, token: &Digest, now: u64) -> Option<Verdict> {
        let verdict = self.cache.get(token)?;
        let live = verdict.principal.expires.is_none_or(|end| now < end);
        live.then_some(verdict)
    }

    /// Keeps a verdict. `length` is the token's, in bytes.
    pub(super) fn put(
        &self,
        token: Digest,
        length: usize,
        (principal, issuer, keys): (Arc<Principal>, u32, u64),
    ) {
        let verdict = Verdict { principal, issuer, keys, weight: weight(length) };
        self.cache.insert(token, verdict);
    }
}

impl Weighter<Digest, Verdict> for ByWeight {
    fn weight(&self, _: &Digest, verdict: &Verdict) -> u64 {
        u64::from(verdict.weight)
    }
}

/// What the verdict on a token of this length takes, in bytes. Claims are copied out of it, the
/// mapped ones twice, and base64 makes up for a quarter of the length.
fn weight(length: usize) -> u32 {
    u32::try_from(2 * length).unwrap_or(u32::MAX).saturating_add(OVERHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::principal::AuthMethod;

    fn until(expires: u64) -> Arc<Principal> {
        let principal = Principal::of("ann", AuthMethod::Jwt);
        Arc::new(Principal { expires: Some(expires), ..principal })
    }

    #[test]
    fn p07_expiry_is_checked_on_each_hit() {
        let verdicts = Verdicts::new(MAX_VERDICT_BYTES);
        verdicts.put([1; 32], 300, (until(100), 0, 0));
        assert!(verdicts.get(&[1; 32], 99).is_some());
        assert!(verdicts.get(&[1; 32], 100).is_none());
        assert!(verdicts.get(&[2; 32], 99).is_none());
    }

    #[test]
    fn the_cache_never_weighs_more_than_its_limit() {
        let one = u64::from(weight(300));
        for room in [20 * one - 1, 20 * one, 20 * one + 1] {
            let verdicts = Verdicts::new(room);
            for id in 0..100 {
                verdicts.put([id; 32], 300, (until(100), 0, 0));
                assert!(verdicts.cache.weight() <= room);
            }
            assert!((10..=20).contains(&verdicts.cache.len()), "{}", verdicts.cache.len());
        }
    }
}
