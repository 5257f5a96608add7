#![doc = include_str!("../README.md")]

pub mod command;
pub mod conditions;
pub mod engine;
pub mod fair;
pub mod lock;
pub mod messages;
pub mod oauth;
pub mod queue;
pub mod render;
pub mod schedule;
pub mod secret;
pub mod time;
pub mod trust;
