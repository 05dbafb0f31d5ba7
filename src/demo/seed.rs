//! The records that the sample API starts with: the same on every run.

use serde_json::{Value, json};

/// Customers, by ascending `id` from 1.
pub fn customers() -> Vec<Value> {
    vec![
        json!({
            "id": 1, "name": "Ana Petrović", "email": "ana@shop.example",
            "phone": "+385 21 555 010", "ssn": "123-45-6789", "credit_limit": 5000,
            "card": {"brand": "visa", "last4": "1111", "number": "4111111111111111"},
            "orders": [
                {"id": 901, "total": 129.90, "margin": 41.15},
                {"id": 914, "total": 18.50, "margin": 6.02}
            ]
        }),
        json!({
            "id": 2, "name": "Björn Larsen", "email": "bjorn@shop.example",
            "phone": "+47 22 55 50 20", "ssn": "987-65-4321", "credit_limit": 12000,
            "card": {"brand": "mastercard", "last4": "4444", "number": "5555555555554444"},
            "orders": [{"id": 907, "total": 2450.00, "margin": 310.40}]
        }),
        json!({
            "id": 3, "name": "Chidi Okafor", "email": "chidi@shop.example",
            "phone": "+234 1 555 0303", "ssn": "246-80-1357", "credit_limit": 800,
            "card": {"brand": "amex", "last4": "0005", "number": "378282246310005"},
            "orders": []
        }),
    ]
}

/// Devices, by ascending `id` from 1.
pub fn devices() -> Vec<Value> {
    vec![
        json!({
            "id": 1, "name": "door-north", "status": "online", "firmware": "2.4.1",
            "secrets": {"firmware_key": "fk-5f0a91c2", "api_token": "dt-77b0e4"},
            "interfaces": {
                "eth0": {"mac": "02:42:ac:11:00:02", "up": true},
                "wlan0": {"mac": "02:42:ac:11:00:03", "up": true, "psk": "correct-horse"}
            },
            "sensors": [
                {"kind": "lock", "value": "closed", "calibration": {"offset": 0, "key": "ck-1"}},
                {"kind": "battery", "value": 87, "calibration": {"offset": -2, "key": "ck-2"}}
            ]
        }),
        json!({
            "id": 2, "name": "gate-south", "status": "offline", "firmware": "2.3.0",
            "secrets": {"firmware_key": "fk-c81d00ab", "api_token": "dt-19aa3f"},
            "interfaces": {"lte0": {"mac": "02:42:ac:11:00:09", "up": false, "psk": "battery"}},
            "sensors": [{"kind": "lock", "value": "open", "calibration": {"offset": 1, "key": "ck-3"}}]
        }),
    ]
}
