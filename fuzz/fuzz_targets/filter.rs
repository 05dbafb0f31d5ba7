//! The filter refuses a body, or lets through the same bytes however the body was cut into chunks:
//! valid JSON without the hidden name, which the filter then leaves as it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::filter::mask::{HIDE, Mask, MaskBuilder, Node, Types};
use portcullis::filter::{Fault, Filter, Limits};
use std::sync::{Arc, LazyLock};

/// Hides `ssn` at any depth, and in the array `data` everything but `id` and `tags`.
static MASK: LazyLock<Arc<Mask>> = LazyLock::new(|| {
    let mut builder = MaskBuilder::new();
    let everywhere = builder.reserve();
    let named = |name: &str, node| (Arc::from(name), node);
    let row = builder.add(Node {
        types: Types::OBJECT,
        fields: vec![named("id", everywhere), named("tags", everywhere)],
        others: HIDE,
        ..Node::open()
    });
    let rows = builder.add(Node { types: Types::ARRAY, items: row, ..Node::open() });
    let fields = vec![named("ssn", HIDE), named("data", rows)];
    builder.set(everywhere, Node { fields, others: everywhere, items: everywhere, ..Node::open() });
    Arc::new(builder.finish(everywhere))
});

fuzz_target!(|input: &[u8]| {
    // The first byte says where to cut.
    let Some((cut, body)) = input.split_first() else { return };
    let cut = usize::from(*cut).min(body.len());
    let whole = filtered(&[body]);
    assert_eq!(filtered(&[&body[..cut], &body[cut..]]), whole);
    let bytes: Vec<&[u8]> = body.chunks(1).collect();
    assert_eq!(filtered(&bytes), whole);
    let Ok(out) = whole else { return };
    let value: serde_json::Value = match serde_json::from_slice(&out) {
        Ok(value) => value,
        // serde_json reads numbers into floats and surrogates into characters; JSON does neither.
        Err(error) if error.is_data() || says_range(&error) => return,
        Err(error) => panic!("{error}: {}", out.escape_ascii()),
    };
    assert!(!has_hidden(&value), "{value}");
    assert_eq!(filtered(&[&out]).expect("what came out goes in"), out);
});

fn filtered(chunks: &[&[u8]]) -> Result<Vec<u8>, Fault> {
    let mut filter = Filter::new(MASK.clone(), Limits::default());
    let mut out = Vec::new();
    for chunk in chunks {
        filter.push(chunk, &mut out)?;
    }
    filter.finish(&mut out)?;
    Ok(out)
}

fn says_range(error: &serde_json::Error) -> bool {
    let text = error.to_string();
    text.contains("out of range") || text.contains("surrogate") || text.contains("hex escape")
}

fn has_hidden(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Object(members) => {
            members.contains_key("ssn") || members.values().any(has_hidden)
        }
        serde_json::Value::Array(items) => items.iter().any(has_hidden),
        _ => false,
    }
}
