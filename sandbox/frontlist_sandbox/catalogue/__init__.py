"""What fills the Consonance sandbox: a bundled catalogue (`bundled`) and any ONIX 3 file (`loading`).

Import the modules: this package itself stays free of lxml, so that its assumptions can be listed without it.
"""
