"""The builder: it turns a network into a tuned plan and reports every choice."""
