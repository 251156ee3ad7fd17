"""The private side: JSON API, pages, who may do what. The only writer of the control database."""
