"""Attribution of lines, against histories whose authors are known by construction."""
