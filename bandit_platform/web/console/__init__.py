"""The pages people look at: one file a page, inside one frame."""
