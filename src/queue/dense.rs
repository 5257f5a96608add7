//! A table by small numbers that grows a chunk at a time: no doubling, so no memory held for entries that never come.

const CHUNK: usize = 256;

/// A table by small numbers; what was never set is the default.
#[derive(Debug)]
pub(crate) struct Dense<T> {
    chunks: Vec<Box<[T]>>,
}

impl<T> Default for Dense<T> {
    fn default() -> Self {
        Dense { chunks: Vec::new() }
    }
}

impl<T: Default> Dense<T> {
    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        let id = id as usize;
        self.chunks.get(id / CHUNK)?.get(id % CHUNK)
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        let id = id as usize;
        self.chunks.get_mut(id / CHUNK)?.get_mut(id % CHUNK)
    }

    /// The place of `id`, made if it is not there; there always is one.
    pub(crate) fn grow(&mut self, id: u32) -> Option<&mut T> {
        while self.chunks.len() <= id as usize / CHUNK {
            self.chunks.push((0..CHUNK).map(|_| T::default()).collect());
        }
        self.get_mut(id)
    }

    /// Bytes held by the table itself.
    pub(crate) fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<T>()
    }
}
