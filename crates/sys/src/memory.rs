//! Giving memory back to the machine.

/// Gives the machine what the calling thread's part of the heap holds free. To be called by each thread now and
/// then when it has nothing to do: what a burst has taken would otherwise stay for as long as nobody allocates.
/// Of effect where the process allocates by mimalloc; harmless elsewhere.
pub fn give_back() {
    // SAFETY: may be called at any time from any thread; touches the calling thread's heap only.
    #[expect(unsafe_code, reason = "the allocator's own interface")]
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
}
