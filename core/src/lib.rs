#![doc = include_str!("../README.md")]

pub mod command;
pub mod conditions;
pub mod engine;
pub mod fair;
pub mod inputs;
pub mod lock;
pub mod messages;
pub mod model;
pub mod oauth;
pub mod policy;
pub mod queue;
pub mod render;
pub mod schedule;
pub mod secret;
pub mod time;
pub mod trust;
