//! What has come of a start.

/// What has come of a start.
pub enum Started {
    /// The pod is ready, and says so in this line.
    Ready(String),
    /// It is not, and has exited with this status. Why, has been said.
    Failed(u8),
    /// Ctrl-C came first, and the pod has been ended.
    Interrupted,
}
