//! A runtime of its own for each proxy: a test that blocks its thread, in `kubectl` say, does not stop the proxy it talks through.

use crate::{Context, Result};
use tokio::runtime::{Builder, Handle, Runtime};

/// One thread that runs tasks. Dropping it ends them all, at once.
#[derive(Debug)]
pub(crate) struct Background(Option<Runtime>);

impl Background {
    pub(crate) fn start(name: &str) -> Result<Background> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(name)
            .enable_all()
            .build()
            .context(|| format!("cannot start a thread for {name}"))?;
        Ok(Background(Some(runtime)))
    }

    /// Where tasks are put; `None` never, but while it is dropped.
    pub(crate) fn handle(&self) -> Option<&Handle> {
        self.0.as_ref().map(Runtime::handle)
    }

    /// Runs a task until it ends or this is dropped.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(handle) = self.handle() {
            handle.spawn(task);
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Dropping a runtime inside another one panics; `shutdown_background` does not wait and works anywhere.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
