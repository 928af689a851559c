"""The storm brake: many notices to one person become one digest, and none is lost."""
