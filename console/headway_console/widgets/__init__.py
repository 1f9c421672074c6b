"""The console's widgets: one noun a file. All paint plain text with styles by name; none reads markup."""
