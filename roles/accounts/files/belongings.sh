#!/bin/bash
# What an account has on this host, for the record of what is removed when it goes.
# Arguments: account, directory of the keys, file of the one-time codes' secrets.
account=$1 keys=$2 oath=$3
echo "account: $(id "$account")"
if [ -f "$keys/$account" ]; then sed '/^#/d; s/^/key: /' "$keys/$account"; fi
if grep -q "^[^#]*[[:space:]]$account[[:space:]]" "$oath" 2>/dev/null; then
  echo "second factor: one-time codes"
fi
grep -hs "^$account " /etc/sudoers.d/00-pas-infra | sed 's/^[^=]*=/sudo: /'
if [ -f "/var/spool/cron/crontabs/$account" ]; then
  sed '/^#/d; s/^/scheduled: /' "/var/spool/cron/crontabs/$account"
fi
find /var/spool/cron/atjobs -type f -user "$account" -printf 'scheduled: %f\n' 2>/dev/null
ps -o args= -u "$account" | sed 's/^/process: /'
if [ -d "/home/$account" ]; then
  echo "home: $(find "/home/$account" -xdev -type f | wc -l) files, kept for root"
fi
exit 0
