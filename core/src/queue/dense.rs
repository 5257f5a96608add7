//! A table indexed by small numbers that grows by chunks. It never doubles, so it holds no memory for entries that
//! never come.

const CHUNK: usize = 256;

/// A table indexed by small numbers. Unset values are the default.
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

    /// The value of `id`, created if it does not exist.
    pub(crate) fn grow(&mut self, id: u32) -> Option<&mut T> {
        while self.chunks.len() <= id as usize / CHUNK {
            self.chunks.push((0..CHUNK).map(|_| T::default()).collect());
        }
        self.get_mut(id)
    }

    /// Memory of the table itself, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<T>()
    }
}
