"""The rows of the table of goals: each module measures some of them, at whatever size it is given."""
