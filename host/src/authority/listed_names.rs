//! Which pods may be named to whoever has this authority, outside of a call.

use super::Authority;
use super::operation::Operation;
use crate::error::ToolError;

impl Authority {
    /// The names of the pods that `list` grants cover, in the registry's order. No socket is asked, and nothing is changed.
    ///
    /// # Errors
    ///
    /// Fails with kind `denied` where there is no `list` grant at all, and where the registry cannot be read.
    pub fn listed_names(&self) -> Result<Vec<String>, ToolError> {
        let parts = self.parts();
        parts.check(Operation::ListPods, None).map_err(|(_, denied)| denied)?;
        let visible = parts.visible().map_err(|error| parts.explain(error.into()))?;
        Ok(visible.pods.iter().map(|record| record.pod_name.clone()).collect())
    }
}
