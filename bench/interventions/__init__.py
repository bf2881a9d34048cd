"""What removes, or adds, one cause at a time: one table, the patches, and how a changed arm is measured."""
