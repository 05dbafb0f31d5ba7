//! The sample API's records and what its methods do to them. No HTTP here.

use super::seed;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The most records that a collection takes; a POST beyond it is refused.
pub const MAX_RECORDS: usize = 1_000;

/// All collections.
#[derive(Debug)]
pub struct Store {
    customers: Collection,
    devices: Collection,
}

#[derive(Debug)]
struct Collection(BTreeMap<u64, Value>);

/// A request that names a place and what to do there.
#[derive(Debug, PartialEq)]
pub enum Command {
    List,
    Create(Map<String, Value>),
    Read(u64),
    /// The whole record anew.
    Replace(u64, Map<String, Value>),
    /// A merge patch (RFC 7396).
    Merge(u64, Map<String, Value>),
    Delete(u64),
}

/// Why a command was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    NotFound,
    Full,
}

impl Store {
    /// The records of [`seed`].
    pub fn new() -> Store {
        Store {
            customers: Collection::new(seed::customers()),
            devices: Collection::new(seed::devices()),
        }
    }

    /// Does a command; `None` as the value where there is nothing to show (a deletion).
    pub fn run(&mut self, collection: &str, command: Command) -> Result<Option<Value>, Fault> {
        let records = match collection {
            "customers" => &mut self.customers,
            "devices" => &mut self.devices,
            _ => return Err(Fault::NotFound),
        };
        records.run(command)
    }
}

impl Collection {
    fn new(records: Vec<Value>) -> Collection {
        Collection((1..).zip(records).collect())
    }

    fn run(&mut self, command: Command) -> Result<Option<Value>, Fault> {
        match command {
            Command::List => {
                let data: Vec<_> = self.0.values().cloned().collect();
                return Ok(Some(json!({"count": data.len(), "data": data})));
            }
            Command::Create(record) => return self.create(record).map(Some),
            Command::Read(id) => self.0.get(&id),
            Command::Replace(id, record) => self.0.get_mut(&id).map(|kept| {
                *kept = with_id(id, record);
                &*kept
            }),
            Command::Merge(id, patch) => self.0.get_mut(&id).map(|kept| {
                merge(kept, Value::Object(patch));
                kept["id"] = id.into();
                &*kept
            }),
            Command::Delete(id) => {
                return self.0.remove(&id).map(|_| None).ok_or(Fault::NotFound);
            }
        }
        .cloned()
        .map(Some)
        .ok_or(Fault::NotFound)
    }

    fn create(&mut self, record: Map<String, Value>) -> Result<Value, Fault> {
        if self.0.len() >= MAX_RECORDS {
            return Err(Fault::Full);
        }
        let id = self.0.last_key_value().map_or(1, |(last, _)| last + 1);
        let record = with_id(id, record);
        self.0.insert(id, record.clone());
        Ok(record)
    }
}

fn with_id(id: u64, mut record: Map<String, Value>) -> Value {
    record.insert("id".into(), id.into());
    Value::Object(record)
}

/// Applies a merge patch (RFC 7396 section 2). As deep as the patch, whose depth the parser limits.
pub fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        match value {
            Value::Null => drop(target.remove(&name)),
            value => merge(target.entry(name).or_insert(Value::Null), value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn a_list_has_every_record_in_order() {
        let list = Store::new().run("customers", Command::List).unwrap().unwrap();
        assert_eq!((&list["count"], &list["data"][2]["name"]), (&json!(3), &json!("Chidi Okafor")));
    }

    #[test]
    fn a_merge_keeps_what_it_does_not_name_and_removes_null() {
        let mut store = Store::new();
        let patch = object(json!({"phone": null, "card": {"last4": "9"}, "id": 7}));
        let merged = store.run("customers", Command::Merge(1, patch)).unwrap().unwrap();
        assert_eq!(merged.get("phone"), None);
        assert_eq!(
            (&merged["card"]["last4"], &merged["card"]["brand"]),
            (&json!("9"), &json!("visa"))
        );
        assert_eq!(merged["id"], 1);
    }

    #[test]
    fn a_replacement_keeps_the_id_alone() {
        let mut store = Store::new();
        let made = store.run("devices", Command::Replace(2, object(json!({"name": "x"}))));
        assert_eq!(made, Ok(Some(json!({"id": 2, "name": "x"}))));
    }

    #[test]
    fn what_is_deleted_is_not_found() {
        let mut store = Store::new();
        assert_eq!(store.run("devices", Command::Delete(1)), Ok(None));
        assert_eq!(store.run("devices", Command::Read(1)), Err(Fault::NotFound));
        assert_eq!(store.run("devices", Command::Delete(1)), Err(Fault::NotFound));
        assert_eq!(store.run("planets", Command::List), Err(Fault::NotFound));
    }

    #[test]
    fn a_collection_is_full_at_its_limit() {
        let mut records = Collection::new(vec![json!({}); MAX_RECORDS - 1]);
        assert_eq!(records.create(Map::new()).unwrap()["id"], MAX_RECORDS);
        assert_eq!(records.create(Map::new()), Err(Fault::Full));
        assert_eq!(records.0.len(), MAX_RECORDS);
    }
}
