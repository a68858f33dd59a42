"""The suite: from a frozen run specification to stored, comparable results."""
