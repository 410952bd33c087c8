package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// election has two candidates: one leads, and the other once the first gives up.
func (s *suite) election() error {
	leads := make(chan string, 2)
	candidate := func(identity string) (context.CancelFunc, <-chan struct{}, error) {
		lock := &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Name: "election", Namespace: s.namespace},
			Client:     s.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
		}
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: lock, LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second,
			RetryPeriod: 200 * time.Millisecond, ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) { leads <- identity },
				OnStoppedLeading: func() {},
			},
		})
		if err != nil {
			return nil, nil, err
		}
		ctx, cancel := context.WithCancel(s.Context)
		done := make(chan struct{})
		go func() { defer close(done); elector.Run(ctx) }()
		return cancel, done, nil
	}
	leader := func(want string) error {
		select {
		case got := <-leads:
			return expect("the leader", got, want)
		case <-time.After(patience):
			return fmt.Errorf("%s does not lead within %s", want, patience)
		}
	}
	stopFirst, firstEnded, err := candidate("first")
	if err != nil {
		return err
	}
	defer stopFirst()
	if err := leader("first"); err != nil {
		return err
	}
	stopSecond, secondEnded, err := candidate("second")
	if err != nil {
		return err
	}
	defer stopSecond()
	stopFirst()
	<-firstEnded
	if err := leader("second"); err != nil {
		return err
	}
	lease, err := s.CoordinationV1().Leases(s.namespace).Get(s, "election", metav1.GetOptions{})
	if err != nil {
		return err
	}
	stopSecond()
	<-secondEnded
	return all(expect("the holder", *lease.Spec.HolderIdentity, "second"), expect("changes of leaders", *lease.Spec.LeaseTransitions >= 1, true))
}
